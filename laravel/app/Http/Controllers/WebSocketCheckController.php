<?php

namespace App\Http\Controllers;

use App\Services\WebSocketCheck;
use App\Services\WebSocketService;
use Illuminate\Http\JsonResponse;

/**
 * Tells `onlycare-socket doctor` how the way from Laravel to the server is, as websocket:health tells an operator.
 */
class WebSocketCheckController
{
    public function __invoke(WebSocketCheck $check): JsonResponse
    {
        return new JsonResponse(['success' => true] + $check->run() + ['version' => WebSocketService::VERSION]);
    }
}
