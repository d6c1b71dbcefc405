// Stands for the Node.js server of before, as far as nginx and Laravel see it: it has a health page.
const http = require('http');

http
  .createServer((request, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ status: 'OK', server: 'old' }));
  })
  .listen(Number(process.argv[2]), '127.0.0.1');
