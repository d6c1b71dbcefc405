// Stands for the Node.js server of before, as far as nginx and Laravel see it: a health page, and
// requests of Laravel that need the secret.
const http = require('http');

http
  .createServer((request, response) => {
    response.setHeader('Content-Type', 'application/json');
    const refused = request.method === 'POST' && request.headers['x-internal-secret'] !== process.argv[3];
    if (refused) response.statusCode = 401;
    response.end(JSON.stringify({ status: 'OK', server: 'old' }));
  })
  .listen(Number(process.argv[2]), '127.0.0.1');
