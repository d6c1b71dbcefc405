<?php

namespace App\Http\Controllers\Api;

use App\Http\Controllers\Controller;
use App\Models\Call;
use App\Models\Transaction;
use App\Models\User;
use App\Services\Pushes;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Http;
use Illuminate\Support\Facades\Validator;
use Illuminate\Support\Str;

/**
 * A stand-in for the deployed controller, written for these tests: the same methods, columns, statuses and answers, and
 * the same faults before it is patched. It pushes before it tells the socket server, accepts a call in any status, and
 * looks at the status before it begins the transaction that bills.
 */
class CallController extends Controller
{
    /**
     * The receiver takes the call.
     */
    public function acceptCall(Request $request, $callId)
    {
        $call = Call::find($this->full($callId));
        if ($call === null) {
            return $this->no(404, 'NOT_FOUND');
        }
        if ($call->receiver_id !== $request->user()->id) {
            return $this->no(403, 'FORBIDDEN');
        }
        DB::beginTransaction();
        try {
            $call->update(['status' => 'ONGOING', 'started_at' => now(), 'receiver_joined_at' => now()]);
            User::whereIn('id', [$call->caller_id, $call->receiver_id])->update(['is_busy' => true]);
            DB::commit();
            $caller = User::find($call->caller_id);
            $this->notifyCallAccepted($caller, $request->user(), $call->id, $call->call_type);
            $this->emitCallAcceptedWebSocket($caller->id, $call->id, $request->user()->id);
            config('standin.trouble') && throw new \RuntimeException('trouble after the commit');

            return response()->json(['success' => true, 'message' => 'Call accepted', 'call' => [
                'id' => $call->id,
                'status' => $call->status,
                'started_at' => $call->started_at->toIso8601String(),
                'receiver_joined_at' => $call->receiver_joined_at->toIso8601String(),
                'agora_app_id' => config('services.agora.app_id'),
                'agora_token' => $call->agora_token,
                'agora_uid' => 0,
                'channel_name' => $call->channel_name,
            ]]);
        } catch (\Exception $error) {
            DB::rollBack();

            return $this->no(500, 'INTERNAL_ERROR');
        }
    }

    /**
     * The receiver declines.
     */
    public function rejectCall(Request $request, $callId)
    {
        $call = Call::find($this->full($callId));
        if ($call === null) {
            return $this->no(404, 'NOT_FOUND');
        }
        if ($call->receiver_id !== $request->user()->id) {
            return $this->no(403, 'FORBIDDEN');
        }
        $call->update(['status' => 'REJECTED', 'ended_at' => now()]);
        $this->free($call);

        return response()->json(['success' => true, 'message' => 'Call rejected']);
    }

    /**
     * The caller gives up.
     */
    public function cancelCall(Request $request, $callId)
    {
        $call = Call::with(['caller', 'receiver'])->find($this->full($callId));
        if ($call === null) {
            return $this->no(404, 'NOT_FOUND');
        }
        if ($call->caller_id !== $request->user()->id) {
            return $this->no(403, 'FORBIDDEN');
        }
        if (! in_array($call->status, ['PENDING', 'CONNECTING', 'RINGING'])) {
            return $this->no(400, 'INVALID_STATUS');
        }
        DB::beginTransaction();
        $call->update(['status' => 'CANCELLED', 'ended_at' => now()]);
        $this->free($call);
        DB::commit();
        $reason = $request->input('reason', 'Caller ended call');
        $this->sendCallCancelledNotification($call->receiver, $call->caller, $call->id, $reason);
        $this->emitCallCancelledWebSocket($call->receiver_id, $call->id, $reason);

        return response()->json(['success' => true, 'data' => 'Call cancelled']);
    }

    /**
     * The old socket server asks for a push.
     */
    public function notifyCallCancelled(Request $request)
    {
        if ($request->header('X-Internal-Secret') !== config('websocket.secret')) {
            return $this->no(401, 'UNAUTHORIZED');
        }
        [$receiver, $caller] = [User::find($request->input('receiverId')), User::find($request->input('callerId'))];
        $this->sendCallCancelledNotification($receiver, $caller, $request->input('callId'), 'Caller ended call');

        return response()->json(['success' => true]);
    }

    /**
     * Tells the receiver's phone by socket.
     */
    private function emitCallCancelledWebSocket($receiverId, $callId, $reason)
    {
        $this->emit('call-cancelled', compact('receiverId', 'callId', 'reason'));
    }

    /**
     * Tells the receiver's phone by push.
     */
    private function sendCallCancelledNotification($receiver, $caller, $callId, $reason)
    {
        app(Pushes::class)->send('call_cancelled', $receiver->id);
    }

    /**
     * Either hangs up; the man pays the woman by the minute.
     */
    public function endCall(Request $request, $callId)
    {
        if (Validator::make($request->all(), ['duration' => 'required|integer|min:0'])->fails()) {
            return $this->no(422, 'VALIDATION_ERROR');
        }
        $call = Call::find($this->full($callId));
        if ($call === null) {
            return $this->no(404, 'NOT_FOUND');
        }
        if ($call->status === 'ENDED') {
            return response()->json(['success' => true, 'message' => 'Call already ended', 'call' => $this->shown($call)]);
        }
        $this->meet((int) env('STANDIN_MEET_MS', 0));
        $seconds = $call->receiver_joined_at === null ? 0 : time() - $call->receiver_joined_at->getTimestamp();
        $coins = $seconds < 10 ? 0 : (int) ceil($seconds / 60) * $call->coin_rate_per_minute;
        DB::beginTransaction();
        $bill = ['duration' => $seconds, 'coins_spent' => $coins, 'coins_earned' => $coins];
        $call->update(['status' => 'ENDED', 'ended_at' => now()] + $bill);
        if ($coins > 0) {
            $this->pay($call, $coins);
        }
        $this->free($call);
        DB::commit();

        return response()->json(['success' => true, 'message' => 'Call ended successfully', 'call' => $this->shown($call)]);
    }

    /**
     * Tells the caller's phone by socket.
     */
    private function emitCallAcceptedWebSocket($callerId, $callId, $receiverId)
    {
        $this->emit('call-accepted', compact('callerId', 'callId', 'receiverId'));
    }

    /**
     * Tells the caller's phone by push.
     */
    private function notifyCallAccepted($caller, $receiver, $callId, $callType)
    {
        app(Pushes::class)->send('call_accepted', $caller->id);
    }

    /** Lets a race happen: waits until another request has come as far, but not longer than this. */
    private function meet(int $milliseconds): void
    {
        $until = microtime(true) + $milliseconds / 1000;
        touch(storage_path('met-'.getmypid()));
        while (count(glob(storage_path('met-*'))) < 2 && microtime(true) < $until) {
            usleep(10_000);
        }
    }

    private function emit(string $what, array $body): void
    {
        $secret = ['X-Internal-Secret' => config('websocket.secret')];
        Http::timeout(2)->withHeaders($secret)->post(config('websocket.url')."/api/emit/{$what}", $body);
    }

    private function pay(Call $call, int $coins): void
    {
        $man = User::where('user_type', 'MALE')->find([$call->caller_id, $call->receiver_id])->first();
        $woman = User::where('user_type', 'FEMALE')->find([$call->caller_id, $call->receiver_id])->first();
        $man->decrement('coin_balance', $coins);
        $woman->increment('total_earnings', $coins);
        foreach ([[$man, 'CALL_SPENT'], [$woman, 'CALL_EARNED']] as [$user, $type]) {
            Transaction::create([
                'id' => 'TXN_'.Str::random(20),
                'user_id' => $user->id,
                'type' => $type,
                'coins' => $coins,
                'reference_id' => $call->id,
            ]);
        }
    }

    private function free(Call $call): void
    {
        User::whereIn('id', [$call->caller_id, $call->receiver_id])->update(['is_busy' => false]);
    }

    private function full(string $callId): string
    {
        return Str::start($callId, 'CALL_');
    }

    private function shown(Call $call): array
    {
        return $call->only(['id', 'status', 'duration', 'coins_spent']);
    }

    private function no(int $status, string $code)
    {
        return response()->json(['success' => false, 'error' => ['code' => $code]], $status);
    }
}
