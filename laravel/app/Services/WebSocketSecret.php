<?php

namespace App\Services;

/**
 * The secret that Laravel and the socket server share, with the rules that the server has for it.
 *
 * Two may be given, separated by a comma, while one is being changed: the first is sent, both are accepted. One that is
 * short or a well-known placeholder protects nothing, so it counts as missing on both sides.
 */
final class WebSocketSecret
{
    public const SHORTEST = 16;

    /** Made of everyday words only: a placeholder out of a manual. The same list as the server's. */
    private const EVERYDAY_WORDS = '/^(your|my|the|a|an|api|app|super|laravel|internal|shared|top|very|default|example'
        .'|sample|dummy|test|dev|development|onlycare|socket|websocket|server|secret|key|token|password|change|replace'
        .'|fill|set|put|enter|place|holder|me|it|in|this|here|please|long|random|string|value|admin|root|qwerty'
        .'|letmein|production)+$/';

    /** @var string[] */
    private array $given;

    /** @param mixed $configured as in config/websocket.php: text, or anything empty */
    public function __construct($configured)
    {
        $parts = array_map('trim', explode(',', is_string($configured) ? $configured : ''));
        $this->given = array_values(array_filter($parts, 'strlen'));
    }

    public static function configured(): self
    {
        return new self(config('websocket.secret'));
    }

    /** The secret to send, or null when there is none that the server could accept. */
    public function toSend(): ?string
    {
        return $this->fit()[0] ?? null;
    }

    /**
     * Those that may open anything, in the order given.
     *
     * @return string[]
     */
    public function fit(): array
    {
        return array_values(array_filter($this->given, fn (string $secret) => self::fault($secret) === null));
    }

    /** Says whether this is one of the secrets. Takes as long for a near miss as for anything else. */
    public function matches(?string $given): bool
    {
        $matches = array_map(fn (string $secret) => hash_equals($secret, (string) $given), $this->fit());

        return in_array(true, $matches, true);
    }

    /** What is wrong with the setting, to be read after "WEBSOCKET_SECRET", or null. */
    public function problem(): ?string
    {
        if ($this->given === []) {
            return 'is not set';
        }

        foreach ($this->given as $secret) {
            if (($fault = self::fault($secret)) !== null) {
                return $fault;
            }
        }

        return null;
    }

    private static function fault(string $secret): ?string
    {
        if (strlen($secret) < self::SHORTEST) {
            return 'is shorter than '.self::SHORTEST.' characters';
        }
        if (preg_match('/[^\x20-\x7e]/', $secret)) {
            return 'has characters that an HTTP header cannot carry';
        }

        return self::isPlaceholder($secret) ? 'is a well-known placeholder' : null;
    }

    private static function isPlaceholder(string $secret): bool
    {
        if ($secret === 'onlycare-development-secret' || count(array_unique(str_split($secret))) < 5) {
            return true;
        }
        $letters = preg_replace('/[^a-z]/', '', strtolower($secret));

        return preg_match_all('/[0-9]/', $secret) < 12 && preg_match(self::EVERYDAY_WORDS, $letters) === 1;
    }
}
