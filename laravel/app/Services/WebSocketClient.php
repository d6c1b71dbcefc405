<?php

namespace App\Services;

use Illuminate\Http\Client\PendingRequest;
use Illuminate\Support\Facades\Cache;
use Illuminate\Support\Facades\Http;
use Illuminate\Support\Facades\Log;
use Throwable;

/**
 * Puts one question to the socket server. Never throws, and never takes longer than WEBSOCKET_TIMEOUT.
 *
 * What goes wrong is logged without ids, bodies, addresses or the secret: a pattern of the path and a few words.
 */
final class WebSocketClient
{
    private const CONNECT_TIMEOUT = 1.0;
    private const TIMEOUT = 2.0;
    private const TELL_AGAIN = 3600;

    private const CURL_TIMED_OUT = 28;
    private const CURL_NOT_REACHED = [5, 6, 7, 35, 60];

    /** Asks what a server on this machine also tells without a secret; a fit one is sent all the same. */
    public function get(string $path, string ...$ids): WebSocketAnswer
    {
        return $this->ask('GET', $path, $ids, null, false);
    }

    /** Asks what is told to nobody without the secret; without one the request is not made. */
    public function getGuarded(string $path, string ...$ids): WebSocketAnswer
    {
        return $this->ask('GET', $path, $ids, null, true);
    }

    /** Tells the server something; needs the secret. */
    public function post(string $path, array $body, string ...$ids): WebSocketAnswer
    {
        return $this->ask('POST', $path, $ids, $body, true);
    }

    public static function isEnabled(): bool
    {
        return filter_var(config('websocket.enabled', true), FILTER_VALIDATE_BOOLEAN);
    }

    /** The address without a slash at its end; "" unless it is one of http or https. */
    public static function url(): string
    {
        $url = rtrim(trim((string) config('websocket.url')), '/');

        return preg_match('~^https?://[^/?#\s]+(/[^?#\s]*)?$~i', $url) === 1 ? $url : '';
    }

    /** @param string $path with {} for each of the ids, which may hold any character */
    private function ask(string $method, string $path, array $ids, ?array $body, bool $guarded): WebSocketAnswer
    {
        $answer = $this->refusal($ids, $guarded) ?? $this->send($method, $path, $ids, $body);
        if (! $answer->ok()) {
            $this->note("{$method} {$path}", $answer);
        }

        return $answer;
    }

    /** What keeps the question from being put at all. */
    private function refusal(array $ids, bool $guarded): ?WebSocketAnswer
    {
        if (! self::isEnabled()) {
            return WebSocketAnswer::none(WebSocketAnswer::DISABLED);
        }
        if (self::url() === '') {
            return WebSocketAnswer::none(WebSocketAnswer::BAD_URL);
        }
        foreach ($ids as $id) {
            // "." and ".." would be taken for steps in the path, even percent-encoded.
            if (trim($id, '.') === '') {
                return WebSocketAnswer::none(WebSocketAnswer::NO_ID);
            }
        }
        if ($guarded && WebSocketSecret::configured()->toSend() === null) {
            return WebSocketAnswer::none(WebSocketAnswer::NO_SECRET);
        }

        return null;
    }

    private function send(string $method, string $path, array $ids, ?array $body): WebSocketAnswer
    {
        try {
            $url = self::url().$this->filled($path, $ids);
            $response = $method === 'POST' ? $this->request()->post($url, $body) : $this->request()->get($url);
            $json = $response->json();
        } catch (Throwable $error) {
            return WebSocketAnswer::none($this->trouble($error));
        }

        return is_array($json)
            ? new WebSocketAnswer($response->status(), $json, null)
            : new WebSocketAnswer($response->status(), null, WebSocketAnswer::NOT_JSON);
    }

    private function request(): PendingRequest
    {
        $configured = (float) config('websocket.timeout', self::TIMEOUT);
        $timeout = $configured > 0 ? $configured : self::TIMEOUT; // 0 would mean for ever
        $secret = WebSocketSecret::configured()->toSend();

        return Http::withOptions([
            'connect_timeout' => min(self::CONNECT_TIMEOUT, $timeout),
            'timeout' => $timeout,
            'allow_redirects' => false, // the secret goes to this address only
            'proxy' => '', // nor to a proxy that the environment names for the outside
        ])->acceptJson()->withHeaders($secret === null ? [] : ['X-Internal-Secret' => $secret]);
    }

    private function filled(string $path, array $ids): string
    {
        foreach ($ids as $id) {
            $path = preg_replace('/\{\}/', rawurlencode($id), $path, 1);
        }

        return $path;
    }

    private function trouble(Throwable $error): string
    {
        $errno = $this->curlError($error);
        if ($errno === self::CURL_TIMED_OUT) {
            return WebSocketAnswer::TIMED_OUT;
        }

        return in_array($errno, self::CURL_NOT_REACHED, true) ? WebSocketAnswer::UNREACHABLE : WebSocketAnswer::BROKEN;
    }

    /** The number that curl gave the error; Laravel wraps Guzzle's exception, which knows it. */
    private function curlError(?Throwable $error): ?int
    {
        for (; $error !== null; $error = $error->getPrevious()) {
            if (method_exists($error, 'getHandlerContext')) {
                return $error->getHandlerContext()['errno'] ?? null;
            }
        }

        return null;
    }

    private function note(string $what, WebSocketAnswer $answer): void
    {
        $isUnknown = $answer->trouble === null && $answer->status === 404; // an answer, not a fault
        if ($answer->trouble === WebSocketAnswer::DISABLED || $isUnknown) {
            return;
        }
        if ($answer->trouble === WebSocketAnswer::NO_SECRET) {
            $this->noteMissingSecret();

            return;
        }
        $this->log("The socket server failed Laravel: {$what}", array_filter([
            'trouble' => $answer->trouble ?? 'refused',
            'status' => $answer->status,
        ]));
    }

    /** Once an hour, not with every call. */
    private function noteMissingSecret(): void
    {
        $problem = WebSocketSecret::configured()->problem();
        if (rescue(fn () => Cache::add('websocket.secret.told', true, self::TELL_AGAIN), true, false)) {
            $this->log("WEBSOCKET_SECRET {$problem}: the socket server is told nothing. php artisan websocket:health");
        }
    }

    private function log(string $message, array $context = []): void
    {
        rescue(fn () => Log::warning($message, $context), null, false);
    }
}
