<?php

namespace App\Services;

/**
 * Finds out whether Laravel and the socket server work together, and if not, on which side to look.
 */
final class WebSocketCheck
{
    public const WELL = 0;
    public const UNWELL = 1;
    public const WRONG_SETTING = 2;
    public const NOT_REACHED = 3;
    public const SECRET_REFUSED = 4;

    private WebSocketClient $client;

    public function __construct(?WebSocketClient $client = null)
    {
        $this->client = $client ?? new WebSocketClient();
    }

    /**
     * Asks the server twice: how it is, and something that it tells only those who know the secret.
     *
     * @return array{enabled: bool, url: string, health: ?array, secretAccepted: bool, code: int, problem: ?string,
     *     advice: ?string} where code is one of the constants, and the problem is the first that was found
     */
    public function run(): array
    {
        $found = [
            'enabled' => WebSocketClient::isEnabled(),
            'url' => $this->shownUrl(),
            'health' => null,
            'secretAccepted' => false,
        ];
        if ($found['enabled'] && WebSocketClient::url() !== '') {
            $health = $this->client->get('/health');
        }
        if (isset($health->json['status'])) {
            $guarded = $this->client->getGuarded('/api/calls?limit=1');
            $found['health'] = $health->json;
            $found['secretAccepted'] = $guarded->ok();
        }
        [$code, $problem, $advice] = $this->verdict($found['enabled'], $health ?? null, $guarded ?? null);

        return $found + compact('code', 'problem', 'advice');
    }

    /** @return array{int, ?string, ?string} */
    private function verdict(bool $enabled, ?WebSocketAnswer $health, ?WebSocketAnswer $guarded): array
    {
        if (! $enabled) {
            return [
                self::WRONG_SETTING,
                'Laravel is told not to use the socket server.',
                'Set WEBSOCKET_ENABLED=true to use it.',
            ];
        }
        if ($health === null) {
            return [
                self::WRONG_SETTING,
                'WEBSOCKET_URL of Laravel is no address.',
                'It looks like http://localhost:3001.',
            ];
        }
        if ($health->trouble !== null || ! isset($health->json['status'])) {
            return [self::NOT_REACHED, ...$this->notReached($health)];
        }
        if (! $health->ok() || $health->json['status'] !== 'OK') {
            return [
                self::UNWELL,
                'The socket server answers, but is not well: '.$this->shown($health->json['status']).'.',
                'Look at its log: journalctl -u onlycare-socket, or pm2 logs onlycare-socket.',
            ];
        }

        return $this->verdictOnSecret($guarded);
    }

    /** @return string[] the problem and what to do */
    private function notReached(WebSocketAnswer $health): array
    {
        if (in_array($health->status, [502, 504], true)) {
            return [
                "nginx answers Laravel, but gets no answer from the socket server itself (HTTP {$health->status}).",
                'Either the server does not run (systemctl status onlycare-socket, or pm2 list), or the upstream of nginx'
                    .' names another port than PORT of the server.',
            ];
        }
        switch ($health->trouble) {
            case WebSocketAnswer::UNREACHABLE:
                return [
                    'Nothing listens at the address that Laravel asks.',
                    'Either the socket server does not run (systemctl status onlycare-socket, or pm2 list), or'
                        .' WEBSOCKET_URL of Laravel names another host or port than HOST and PORT of the server.',
                ];
            case WebSocketAnswer::TIMED_OUT:
                return [
                    'The socket server did not answer in time.',
                    'Look at its log, or at a firewall between the two. It has WEBSOCKET_TIMEOUT seconds.',
                ];
            case WebSocketAnswer::BROKEN:
                return [
                    'Somebody takes the connection, and breaks it off without an answer.',
                    'Look at the log of the socket server, and whether WEBSOCKET_URL of Laravel names its port.',
                ];
            default:
                return [
                    "Something else than the socket server answers Laravel (HTTP {$health->status}).",
                    'WEBSOCKET_URL of Laravel is the address of the server itself, as http://localhost:3001, not the'
                        .' public one.',
                ];
        }
    }

    /** @return array{int, ?string, ?string} */
    private function verdictOnSecret(WebSocketAnswer $guarded): array
    {
        $problem = WebSocketSecret::configured()->problem();
        if ($guarded->trouble === WebSocketAnswer::NO_SECRET) {
            return [
                self::WRONG_SETTING,
                "WEBSOCKET_SECRET of Laravel {$problem}.",
                'Give it the value of LARAVEL_API_SECRET of the socket server.',
            ];
        }
        if ($guarded->status === 401) {
            return [
                self::SECRET_REFUSED,
                'The socket server refuses the secret of Laravel.',
                'WEBSOCKET_SECRET of Laravel and LARAVEL_API_SECRET of the server differ, or the server takes its own'
                    .' for unset, short or a placeholder, and says so in its log when it starts.',
            ];
        }
        if ($guarded->status === 404) {
            return [
                self::UNWELL,
                'A socket server answers, but it is not onlycare-socket, so the secret was not checked.',
                'This is what the old Node server looks like.',
            ];
        }
        if (! $guarded->ok()) {
            return [self::UNWELL, 'The socket server failed a question: '.$guarded->reason().'.', 'Look at its log.'];
        }
        if ($problem !== null) {
            return [
                self::WRONG_SETTING,
                "One of the secrets in WEBSOCKET_SECRET of Laravel {$problem}, and counts for nothing.",
                'The other one works. Take the unfit one out.',
            ];
        }

        return [self::WELL, null, null];
    }

    /** The configured address without a user and password that somebody may have put into it. */
    private function shownUrl(): string
    {
        return preg_replace('~//[^/@]*@~', '//', trim((string) config('websocket.url')));
    }

    /** @param mixed $word of another program */
    private function shown($word): string
    {
        return is_scalar($word) ? preg_replace('/[^\w .-]/', '?', substr((string) $word, 0, 40)) : '?';
    }
}
