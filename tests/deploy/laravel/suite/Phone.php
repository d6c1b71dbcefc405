<?php

/** A real Socket.IO client, connected to the real server as one user. */
final class Phone
{
    private static int $users = 0;

    private static ?int $calls = null;

    public string $user;

    private int $number;

    private function __construct(string $user)
    {
        $this->user = $user;
        $this->number = Stage::ask('/phone', ['user' => $user])['phone'];
    }

    /** A user that no other test knows. */
    public static function online(): self
    {
        return new self(self::newUser());
    }

    public static function newUser(): string
    {
        return 'USR_'.getmypid().(++self::$users);
    }

    /** A call id as the backend makes them, of this second: the server takes an old one for stale. */
    public static function newCall(): string
    {
        self::$calls = ((self::$calls ?? random_int(0, 9999)) + 1) % 10000;

        return 'CALL_'.time().sprintf('%04d', self::$calls);
    }

    /** Dials, as the app does after POST /calls/initiate. */
    public function dial(string $receiverId, string $callId): array
    {
        $call = ['receiverId' => $receiverId, 'callId' => $callId, 'callType' => 'AUDIO', 'channelName' => 'c', 'agoraToken' => ''];

        return $this->ask('call:initiate', $call);
    }

    public function ask(string $event, array $payload): array
    {
        return Stage::ask("/phone/{$this->number}/ask", ['event' => $event, 'payload' => (object) $payload]);
    }

    /** The payload of the event that must be the next thing this phone hears. */
    public function expect(string $event): array
    {
        return Stage::ask("/phone/{$this->number}/expect", ['event' => $event]);
    }

    /** Fails when the phone has heard anything else. */
    public function quiet(): void
    {
        Stage::ask("/phone/{$this->number}/quiet");
    }
}
