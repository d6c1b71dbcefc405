<?php

use App\Http\Controllers\WebSocketCheckController;
use Illuminate\Support\Facades\Route;

// Asked by `onlycare-socket doctor`, which signs its request.
Route::get('api/websocket/check', WebSocketCheckController::class)->middleware('websocket.signed');
