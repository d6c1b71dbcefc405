<?php

namespace App\Http\Controllers\Concerns;

use App\Models\Call;
use App\Services\WebSocketSecret;
use App\Services\WebSocketService;
use Illuminate\Http\JsonResponse;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\DB;
use Throwable;

/**
 * Puts the four changes of a call (accept, reject, cancel, end) into an order that is safe:
 *
 * 1. the call's row is locked, so that of two changes at the same moment the second sees what the first did;
 * 2. the controller's own code makes the change, and is not asked where the call's status does not allow it;
 * 3. when that is stored, the socket server is told, which takes milliseconds;
 * 4. pushes go out last, because FCM takes its time.
 *
 * patches/CallController.patch gives the controller's own methods the names that are abstract here; what they check,
 * bill and answer stays as it is.
 */
trait SignalsCalls
{
    /** @var callable[]|null pushes that wait until the socket server knows; null while no change is being made */
    private ?array $waitingPushes = null;

    abstract private function acceptLockedCall(Request $request, $callId);

    abstract private function rejectLockedCall(Request $request, $callId);

    abstract private function cancelLockedCall(Request $request, $callId);

    abstract private function endLockedCall(Request $request, $callId);

    abstract private function pushCallAccepted($caller, $receiver, $callId, $callType);

    abstract private function pushCallCancelled($receiver, $caller, $callId, $reason);

    abstract private function pushCallCancelledForServer(Request $request);

    // The routes ------------------------------------------------------------------------------------------------------

    /** Only a ringing call is accepted. The receiver who asks again gets the same answer, and the call's times stay. */
    public function acceptCall(Request $request, $callId)
    {
        return $this->changeCall($request, $callId, function (?Call $call) use ($request, $callId) {
            if ($call === null || ! $this->isUser($request, $call->receiver_id) || $this->isRinging($call)) {
                return $this->acceptLockedCall($request, $callId);
            }

            return $call->status === 'ONGOING' ? $this->acceptedAlready($call) : $this->refused('accepted', $call);
        });
    }

    /** Only a ringing call is rejected; one that is over stays as it is, one under way is left to end, which bills. */
    public function rejectCall(Request $request, $callId)
    {
        return $this->changeCall($request, $callId, function (?Call $call) use ($request, $callId) {
            if ($call === null || ! $this->isUser($request, $call->receiver_id) || $this->isRinging($call)) {
                return $this->rejectLockedCall($request, $callId);
            }

            return $call->status === 'ONGOING'
                ? $this->refused('rejected', $call)
                : new JsonResponse(['success' => true, 'message' => 'Call already ended']);
        });
    }

    public function cancelCall(Request $request, $callId)
    {
        return $this->changeCall($request, $callId, fn () => $this->cancelLockedCall($request, $callId));
    }

    /** Only a party ends a call. Under the lock its status is what it seems, so two ends do not bill twice. */
    public function endCall(Request $request, $callId)
    {
        return $this->changeCall($request, $callId, function (?Call $call) use ($request, $callId) {
            $isParty = $call === null
                || $this->isUser($request, $call->caller_id)
                || $this->isUser($request, $call->receiver_id);

            return $isParty
                ? $this->endLockedCall($request, $callId)
                : $this->failure(403, 'FORBIDDEN', 'You are not authorized to end this call');
        });
    }

    /** Needs the secret; an absent header does not pass for a secret that is not set. */
    public function notifyCallCancelled(Request $request)
    {
        return WebSocketSecret::configured()->matches($request->header('X-Internal-Secret'))
            ? $this->pushCallCancelledForServer($request)
            : new JsonResponse(['success' => false, 'error' => ['code' => 'UNAUTHORIZED']], 401);
    }

    // What the controller's own code calls ----------------------------------------------------------------------------

    private function notifyCallAccepted($caller, $receiver, $callId, $callType): void
    {
        $this->pushLast(fn () => $this->pushCallAccepted($caller, $receiver, $callId, $callType));
    }

    private function sendCallCancelledNotification($receiver, $caller, $callId, $reason): void
    {
        $this->pushLast(fn () => $this->pushCallCancelled($receiver, $caller, $callId, $reason));
    }

    /** Nothing: the socket server is told by changeCall(), once the change is stored. */
    private function emitCallAcceptedWebSocket($callerId, $callId, $receiverId): void
    {
    }

    /** Nothing, for the same reason. */
    private function emitCallCancelledWebSocket($receiverId, $callId, $reason): void
    {
    }

    // The order -------------------------------------------------------------------------------------------------------

    /**
     * @param callable(?Call): mixed $change is called with the locked call and returns the answer
     * @return mixed
     */
    private function changeCall(Request $request, $callId, callable $change)
    {
        $this->waitingPushes = [];
        try {
            [$answer, $before, $call] = DB::transaction(function () use ($callId, $change) {
                $call = $this->lockedCall($callId);
                $before = $call->status ?? null;
                $answer = $change($call);

                return [$answer, $before, $call === null ? null : $call->refresh()];
            });
            $pushes = $this->waitingPushes;
        } finally {
            $this->waitingPushes = null;
        }
        if ($call !== null && $call->status !== $before && $this->isLive($before)) {
            $this->tellSocketServer($call, $request);
            foreach ($pushes as $push) {
                $this->push($push);
            }
        }

        return $answer;
    }

    /** This must be the first query of the transaction: under MySQL, what is read after it is as new as the lock. */
    private function lockedCall($callId): ?Call
    {
        $id = str_starts_with($callId, 'CALL_') ? $callId : "CALL_{$callId}";

        return Call::query()->whereKey($id)->lockForUpdate()->first();
    }

    private function tellSocketServer(Call $call, Request $request): void
    {
        $server = app(WebSocketService::class);
        [$id, $caller, $receiver] = [(string) $call->id, (string) $call->caller_id, (string) $call->receiver_id];
        $reason = is_string($request->input('reason')) ? $request->input('reason') : null;
        switch ($call->status) {
            case 'ONGOING':
                $server->emitCallAccepted($id, $caller, $receiver);
                break;
            case 'REJECTED':
                $server->emitCallRejected($id, $caller, $receiver, $reason);
                break;
            case 'CANCELLED':
                $server->emitCallCancelled($id, $caller, $receiver, $reason);
                break;
            case 'ENDED':
                $server->emitCallEnded($id, $caller, $receiver, (string) $request->user()->id);
                break;
        }
    }

    private function pushLast(callable $push): void
    {
        if ($this->waitingPushes === null) {
            $push();
        } else {
            $this->waitingPushes[] = $push;
        }
    }

    /** A push that fails does not fail the request: what it tells of is stored already. */
    private function push(callable $push): void
    {
        try {
            $push();
        } catch (Throwable $error) {
            report($error);
        }
    }

    // Answers ---------------------------------------------------------------------------------------------------------

    private function isRinging(Call $call): bool
    {
        return in_array($call->status, ['PENDING', 'CONNECTING', 'RINGING'], true);
    }

    private function isLive(?string $status): bool
    {
        return in_array($status, ['PENDING', 'CONNECTING', 'RINGING', 'ONGOING'], true);
    }

    private function isUser(Request $request, $userId): bool
    {
        return (string) $request->user()->id === (string) $userId;
    }

    private function acceptedAlready(Call $call): JsonResponse
    {
        return new JsonResponse([
            'success' => true,
            'message' => 'Call accepted',
            'call' => [
                'id' => $call->id,
                'status' => $call->status,
                'started_at' => optional($call->started_at)->toIso8601String(),
                'receiver_joined_at' => optional($call->receiver_joined_at)->toIso8601String(),
                'agora_app_id' => config('services.agora.app_id'),
                'agora_token' => $call->agora_token,
                'agora_uid' => 0,
                'channel_name' => $call->channel_name,
            ],
        ]);
    }

    private function refused(string $what, Call $call): JsonResponse
    {
        $message = "Call cannot be {$what} in current status: {$call->status}";

        return $this->failure(400, 'INVALID_STATUS', $message);
    }

    private function failure(int $status, string $code, string $message): JsonResponse
    {
        return new JsonResponse(['success' => false, 'error' => ['code' => $code, 'message' => $message]], $status);
    }
}
