<?php

namespace App\Console\Commands;

use App\Services\WebSocketCheck;
use Illuminate\Console\Command;

/**
 * Says how Laravel and the socket server get along. The exit codes are those of the onlycare-socket command.
 */
class WebSocketHealth extends Command
{
    protected $signature = 'websocket:health {--json : Write JSON for another program}';

    protected $description = 'Check the connection to the socket server, and say which side is wrong'
        .' (exit code 0 well, 1 not well, 2 wrong setting, 3 not reached, 4 secret refused)';

    public function handle(WebSocketCheck $check): int
    {
        $found = $check->run();
        if ($this->option('json')) {
            $this->line(json_encode($found, JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE));

            return $found['code'];
        }
        $this->say('enabled', $found['enabled'] ? 'yes' : 'no');
        $this->say('url', $found['url']);
        $this->say('health', $this->shownHealth($found));
        $this->say('secret', $this->shownSecret($found));
        if ($found['code'] === WebSocketCheck::WELL) {
            $this->line('Laravel and the socket server work together.');

            return $found['code'];
        }
        $this->line($found['problem']);
        $this->line($found['advice']);
        if ($this->laravel->configurationIsCached()) {
            $this->line('Laravel\'s configuration is cached: after a change in .env run php artisan config:cache.');
        }

        return $found['code'];
    }

    private function shownHealth(array $found): string
    {
        $health = $found['health'];
        if ($health === null) {
            return $found['code'] === WebSocketCheck::WRONG_SETTING ? 'not asked' : 'no answer';
        }
        $number = fn (string $name) => is_numeric($health[$name] ?? null) ? $health[$name] : '?';
        $word = fn (string $name) => is_string($health[$name] ?? null) ? $health[$name] : '?';

        return "{$word('status')}, version {$word('version')}, {$number('connectedUsers')} users connected,"
            ." {$number('activeCalls')} live calls";
    }

    private function shownSecret(array $found): string
    {
        if ($found['secretAccepted']) {
            return 'accepted';
        }

        return $found['code'] === WebSocketCheck::SECRET_REFUSED ? 'refused' : 'not tried';
    }

    private function say(string $what, string $found): void
    {
        $this->line(sprintf('%-8s %s', $what, preg_replace('/[[:cntrl:]<>]/', '?', $found)));
    }
}
