<?php

namespace App\Providers;

use App\Services\Pushes;
use Illuminate\Support\ServiceProvider;

class AppServiceProvider extends ServiceProvider
{
    public function register(): void
    {
        $this->app->singleton(Pushes::class);
    }

    public function boot(): void
    {
        $this->loadRoutesFrom(base_path('routes/api.php'));
    }
}
