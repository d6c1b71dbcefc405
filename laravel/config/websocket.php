<?php

// How Laravel reaches the socket server. After a change in .env: php artisan config:clear (or config:cache), then
// php artisan websocket:health.

return [

    // Where the socket server answers Laravel, without /socket.io. On the same machine that is loopback.
    'url' => env('WEBSOCKET_URL', 'http://localhost:3001'),

    // Seconds that one question may take. A request of a user waits for it, so keep it short.
    'timeout' => env('WEBSOCKET_TIMEOUT', 2),

    // Where phones connect, through nginx and TLS.
    'public_url' => env('WEBSOCKET_PUBLIC_URL', env('APP_URL')),

    // false: nothing is asked or told, everybody counts as offline, and pushes do all the work.
    'enabled' => env('WEBSOCKET_ENABLED', true),

    // The same as LARAVEL_API_SECRET of the socket server: openssl rand -hex 32. While it is being changed, two,
    // separated by a comma: the first is sent, both are accepted. There is no default. Without a secret this is false,
    // not null or '', since the deployed notifyCallCancelled() compares it with a header that may be absent or empty.
    'secret' => env('WEBSOCKET_SECRET') ?: false,

];
