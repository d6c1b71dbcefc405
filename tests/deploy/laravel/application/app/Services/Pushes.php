<?php

namespace App\Services;

/** Stands in for Firebase: keeps what would be pushed, and tells whoever wants to know at that moment. */
class Pushes
{
    /** @var string[] type and receiver */
    public array $sent = [];

    /** @var callable|null */
    public $listener = null;

    public function send(string $type, string $userId): void
    {
        $this->sent[] = "{$type} to {$userId}";
        if ($this->listener !== null) {
            ($this->listener)($type, $userId);
        }
    }
}
