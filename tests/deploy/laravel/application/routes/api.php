<?php

// The deployed backend's paths, with a stand-in for Sanctum: X-Test-User says who asks.

use App\Http\Controllers\Api\CallController;
use App\Http\Middleware\ActAsUser;
use Illuminate\Support\Facades\Route;

Route::prefix('api/v1/calls')->middleware(ActAsUser::class)->group(function () {
    Route::post('/{callId}/accept', [CallController::class, 'acceptCall']);
    Route::post('/{callId}/reject', [CallController::class, 'rejectCall']);
    Route::post('/{callId}/cancel', [CallController::class, 'cancelCall']);
    Route::post('/{callId}/end', [CallController::class, 'endCall']);
    Route::post('/notify-cancelled', [CallController::class, 'notifyCallCancelled']);
});
