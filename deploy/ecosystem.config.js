/*
 * onlycare-socket under PM2 5, 6 or 7 (the tests run it with 7): pm2 start ecosystem.config.js
 *
 * install.sh copies this file to /opt/onlycare-socket and runs it in a PM2 of the user onlycare-socket. It works in
 * root's PM2, too: the server itself is then given that user.
 *
 * Settings of the server do not go here but into its own file, which only its user can read: PM2 keeps the environment
 * of a process in dump.pm2 and shows it to whoever asks (pm2 env, pm2 jlist).
 *
 * Other paths than install.sh's are given in the environment of the pm2 command:
 *   ONLYCARE_SOCKET_HOME      where the releases are              /opt/onlycare-socket
 *   ONLYCARE_SOCKET_ENV_FILE  the server's settings               /etc/onlycare-socket/onlycare-socket.env
 *   ONLYCARE_SOCKET_STATE     its working folder                  /var/lib/onlycare-socket
 *   ONLYCARE_SOCKET_LOGS      folder of the logs                  /var/log/onlycare-socket
 *   ONLYCARE_SOCKET_USER      who runs it when PM2 is root's      onlycare-socket
 */

const {
  ONLYCARE_SOCKET_HOME: home = '/opt/onlycare-socket',
  ONLYCARE_SOCKET_ENV_FILE: settings = '/etc/onlycare-socket/onlycare-socket.env',
  ONLYCARE_SOCKET_STATE: state = '/var/lib/onlycare-socket',
  ONLYCARE_SOCKET_LOGS: logs = '/var/log/onlycare-socket',
  ONLYCARE_SOCKET_USER: user = 'onlycare-socket',
} = process.env;

const log = `${logs}/out.log`;
const changesUser = process.getuid() === 0 && user !== 'root';

module.exports = {
  apps: [
    {
      name: 'onlycare-socket',
      script: `${home}/current/bin/onlycare-socket`, // through the link: a restart runs the release it leads to by then
      args: ['serve', '--env-file', settings],
      cwd: state,
      ...(changesUser && { uid: user, gid: user }),

      // One process that holds all calls. Cluster mode shares a port between Node.js programs; this is none, and a
      // second process would not know who is connected to the first. `pm2 reload` therefore is a restart.
      interpreter: 'none',
      exec_mode: 'fork',
      instances: 1,

      // "online" means that the port is open: the server says so itself, half a second after its start. After
      // listen_timeout PM2 says it in any case, so it is far above that, and above the longest pause between two starts
      // too: PM2 5 and 6 would else show a dead process as online.
      wait_ready: true,
      listen_timeout: 20000,

      // SIGINT drains: DRAIN_SPREAD (2 s) and at the most 2.5 s more, after which the server ends itself. A longer
      // DRAIN_SPREAD needs a longer time here. There are no child processes that PM2 would have to look for with ps.
      kill_timeout: 6000,
      treekill: false,

      // Back at once after a crash; when it crashes again and again, after pauses that grow from 0.1 s to 15 s and
      // begin anew when it has been up for 30 s. PM2 never gives up: what is wrong may be mended, such as a port that
      // was taken, or a setting. And its "errored" is no help: where there are pauses, PM2 shows it as "waiting
      // restart", or as "online". While it waits, `pm2 restart` says that the process exists; it starts all the same.
      autorestart: true,
      exp_backoff_restart_delay: 100,
      max_restarts: 1000, // within as many seconds, so never reached

      // 15,000 users take 161 MB (docs/performance.md), 20,000 ended calls and polling phones some more. Whoever has
      // more users than that raises it.
      max_memory_restart: '500M',

      // The server writes its log itself, so that none of it is lost when logrotate moves the file or the process dies:
      // PM2 drops lines at both. PM2 writes nothing there and only knows the file for `pm2 logs`; root's PM2 would make
      // it root's. error.log gets why a start failed. No times are put before the lines: they are JSON and have one.
      env: { LOG_FILE: log },
      out_file: changesUser ? '/dev/null' : log,
      error_file: `${logs}/error.log`,
      merge_logs: true, // no number in the names

      // Nothing of the shell that starts it gets to the server: secrets would end up in dump.pm2, and a PORT that is
      // meant for something else wins over the settings file. The list names parts of names to leave out; '' is in all.
      // It does not hold for `pm2 restart --update-env`, which is of no use here.
      filter_env: [''],
      vizion: false, // no look for git
    },
  ],
};
