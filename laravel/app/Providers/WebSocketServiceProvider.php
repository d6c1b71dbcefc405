<?php

namespace App\Providers;

use App\Console\Commands\WebSocketHealth;
use App\Http\Middleware\VerifySocketServerSignature;
use Illuminate\Routing\Router;
use Illuminate\Support\ServiceProvider;

/**
 * Adds the middleware `websocket.signed`, GET /api/websocket/check and the command websocket:health.
 */
class WebSocketServiceProvider extends ServiceProvider
{
    public function boot(Router $router): void
    {
        $router->aliasMiddleware('websocket.signed', VerifySocketServerSignature::class);
        $this->loadRoutesFrom(base_path('routes/websocket.php'));
        if ($this->app->runningInConsole()) {
            $this->commands([WebSocketHealth::class]);
        }
    }
}
