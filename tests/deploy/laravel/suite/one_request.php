<?php

// Says one thing of a call, in a process of its own: php one_request.php end CALL_1 USR_1

[, $what, $callId, $userId] = $argv;
if (getenv('STANDIN_UNPATCHED') !== false) {
    require_once dirname(__DIR__).'/bootstrap/autoload.php';
    require_once dirname(__DIR__).'/unpatched/CallController.php';
}
$app = require dirname(__DIR__).'/bootstrap/app.php';
$server = ['CONTENT_TYPE' => 'application/json', 'HTTP_ACCEPT' => 'application/json', 'HTTP_X_TEST_USER' => $userId];
$request = Illuminate\Http\Request::create("/api/v1/calls/{$callId}/{$what}", 'POST', [], [], [], $server, '{"duration": 90}');
echo $app->make(Illuminate\Contracts\Http\Kernel::class)->handle($request)->getContent();
