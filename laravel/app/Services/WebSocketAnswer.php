<?php

namespace App\Services;

/**
 * What came of one question to the socket server: an answer, or the trouble that there was instead.
 */
final class WebSocketAnswer
{
    public const DISABLED = 'disabled';
    public const BAD_URL = 'bad url';
    public const NO_ID = 'no id';
    public const NO_SECRET = 'no secret';
    public const UNREACHABLE = 'not reached';
    public const TIMED_OUT = 'timed out';
    public const BROKEN = 'broken off';
    public const NOT_JSON = 'not JSON';

    /**
     * @param int|null $status of HTTP, null without an answer
     * @param array|null $json the body, null unless it is an object or a list
     * @param string|null $trouble one of the constants, null when JSON came, whatever its status
     */
    public function __construct(public ?int $status, public ?array $json, public ?string $trouble)
    {
    }

    public static function none(string $trouble): self
    {
        return new self(null, null, $trouble);
    }

    /** Says whether the server did what it was asked. */
    public function ok(): bool
    {
        return $this->trouble === null && $this->status >= 200 && $this->status < 300;
    }

    /**
     * A field of the body, or the default when the question failed.
     *
     * @param mixed $default
     * @return mixed
     */
    public function field(string $name, $default)
    {
        return $this->ok() ? ($this->json[$name] ?? $default) : $default;
    }

    /** Why it is not ok, in a few words. */
    public function reason(): string
    {
        $said = $this->json['error'] ?? null;

        return $this->trouble ?? (is_string($said) ? $said : "HTTP {$this->status}");
    }
}
