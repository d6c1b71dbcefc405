<?php

namespace App\Services;

/**
 * What Laravel asks and tells the socket server.
 *
 * No method throws. When the server is disabled, away, slow or refuses, each returns its offline value: false, [],
 * null, or an array whose `success` and `emitted` are false. Ids may be written as Laravel has them (USR_5, CALL_17).
 */
class WebSocketService
{
    /** Of these files; also in what GET /api/websocket/check answers. */
    public const VERSION = '1.0.0';

    /** Ids that the server takes in one question. */
    private const IDS_AT_ONCE = 1000;

    private WebSocketClient $client;

    public function __construct(?WebSocketClient $client = null)
    {
        $this->client = $client ?? new WebSocketClient();
    }

    /** Says whether a user has a live connection at this moment. */
    public function isUserOnline(string $userId): bool
    {
        return $this->client->get('/api/users/{}/online', $userId)->field('isOnline', false) === true;
    }

    /**
     * Says of many users at once whether they are online.
     *
     * @param array<string|int> $userIds
     * @return array<string, bool> by id, as it was given
     */
    public function areUsersOnline(array $userIds): array
    {
        $userIds = array_values(array_unique(array_map('strval', array_filter($userIds, 'is_scalar'))));
        $online = array_fill_keys($userIds, false);
        foreach (array_chunk($userIds, self::IDS_AT_ONCE) as $some) {
            $answer = $this->client->post('/api/users/online', ['userIds' => $some]);
            if (! $answer->ok()) {
                break; // the next would only wait as long
            }
            $said = (array) $answer->field('online', []);
            foreach ($some as $userId) {
                $online[$userId] = ($said[$userId] ?? null) === true;
            }
        }

        return $online;
    }

    /**
     * Returns the ids of all users with a live connection.
     *
     * @return string[]
     */
    public function getConnectedUsers(): array
    {
        $users = $this->client->get('/api/connected-users')->field('users', []);

        return is_array($users) ? $users : [];
    }

    /** Returns what GET /health says when the server is well: status, connectedUsers, activeCalls, version and more. */
    public function getHealthStatus(): ?array
    {
        $answer = $this->client->get('/health');

        return $answer->ok() ? $answer->json : null;
    }

    public function isServerAvailable(): bool
    {
        return ($this->getHealthStatus()['status'] ?? '') === 'OK';
    }

    /**
     * Tells the caller that the receiver accepted by HTTP. Name the device if it is known: the others stop ringing.
     *
     * @return array{success: bool, emitted: bool} with reason, state, code or duplicate where the server gives them
     */
    public function emitCallAccepted(
        string $callId,
        string $callerId,
        string $receiverId,
        ?string $deviceId = null
    ): array {
        return $this->emit('accepted', compact('callId', 'callerId', 'receiverId', 'deviceId'));
    }

    /** Tells the receiver's devices that the caller gave up. Returns as emitCallAccepted(). */
    public function emitCallCancelled(
        string $callId,
        string $callerId,
        string $receiverId,
        ?string $reason = null
    ): array {
        return $this->emit('cancelled', compact('callId', 'callerId', 'receiverId', 'reason'));
    }

    /** Tells the caller that the receiver declined. Returns as emitCallAccepted(). */
    public function emitCallRejected(
        string $callId,
        string $callerId,
        string $receiverId,
        ?string $reason = null
    ): array {
        return $this->emit('rejected', compact('callId', 'callerId', 'receiverId', 'reason'));
    }

    /** Tells both sides that the call is over; `endedBy` is the user who hung up. Returns as emitCallAccepted(). */
    public function emitCallEnded(
        string $callId,
        string $callerId,
        string $receiverId,
        ?string $endedBy = null,
        ?string $reason = null
    ): array {
        return $this->emit('ended', compact('callId', 'callerId', 'receiverId', 'endedBy', 'reason'));
    }

    /** Closes all connections of a user, as on log-out. Says whether the server did it, also when there were none. */
    public function disconnectUser(string $userId): bool
    {
        return $this->client->post('/api/users/{}/disconnect', [], $userId)->field('success', false) === true;
    }

    /** Returns `callId`, `steps` and `summary` of a call: who did what, when, and who was told. Unknown: null. */
    public function getCallTimeline(string $callId): ?array
    {
        $answer = $this->client->getGuarded('/api/calls/{}/timeline', $callId);

        return $answer->ok() ? $answer->json : null;
    }

    private function emit(string $what, array $body): array
    {
        $given = array_filter($body, fn ($value) => $value !== null);
        $answer = $this->client->post("/api/emit/call-{$what}", $given);
        if (! $answer->ok()) {
            return ['success' => false, 'emitted' => false, 'reason' => $answer->reason()];
        }

        return [
            'success' => $answer->field('success', false) === true,
            'emitted' => $answer->field('emitted', false) === true,
        ] + $answer->json;
    }
}
