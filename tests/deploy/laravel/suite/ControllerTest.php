<?php

use App\Models\Call;
use App\Models\Transaction;
use App\Models\User;
use App\Services\Pushes;
use Illuminate\Http\Client\Events\RequestSending;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Event;

/** The patched controller. */
final class ControllerTest extends CallTestCase
{
    public function testTheSocketServerIsToldBeforeThePush(): void
    {
        $this->configure(['websocket.url' => Stage::backend('well')]);
        $this->app->make(Pushes::class)->listener = function () {
            self::assertSame(0, DB::transactionLevel());
            Stage::note('push');
        };
        foreach (['accept' => 'accepted', 'cancel' => 'cancelled'] as $what => $told) {
            $call = self::call();
            Stage::seen();
            $answer = $this->say($what, $call, $what === 'accept' ? $call->receiver_id : $call->caller_id);
            self::assertSame(200, $answer->getStatusCode());
            [$first, $second] = Stage::seen();
            self::assertSame(["/api/emit/call-{$told}", 'push'], [$first['path'], $second['note']]);
        }
    }

    public function testThePhoneHasHeardBeforeThePushGoesOut(): void
    {
        [$caller, $receiver] = [Phone::online(), Phone::online()];
        $call = self::call('CONNECTING', $caller->user, $receiver->user);
        $caller->dial($receiver->user, $call->id);
        $receiver->expect('call:incoming');
        $heard = null;
        $this->app->make(Pushes::class)->listener = function () use ($caller, &$heard) {
            $heard = $caller->expect('call:accepted');
        };
        $answer = self::json($this->say('accept', $call, $receiver->user));

        self::assertSame('ONGOING', $answer['call']['status']);
        self::assertSame('agora-token', $answer['call']['agora_token']);
        self::assertSame($call->id, $heard['callId']);
        self::assertSame(["call_accepted to {$caller->user}"], $this->pushes());
    }

    public function testWhatIsToldIsStoredBefore(): void
    {
        // Asked in another connection, an uncommitted change would not be there; in this one, no transaction is open.
        $this->configure(['websocket.url' => Stage::backend('well')]);
        $call = self::call();
        $levels = [];
        Event::listen(RequestSending::class, function () use (&$levels) {
            $levels[] = DB::transactionLevel();
        });
        $this->say('accept', $call, $call->receiver_id);
        $this->say('end', $call, $call->receiver_id);

        self::assertSame([0, 0], $levels);
    }

    public function testARejectReachesTheCallerAtOnce(): void
    {
        [$caller, $receiver] = [Phone::online(), Phone::online()];
        $call = self::call('CONNECTING', $caller->user, $receiver->user);
        $caller->dial($receiver->user, $call->id);
        $answer = $this->say('reject', $call, $receiver->user, ['reason' => 'In a meeting']);

        self::assertSame(200, $answer->getStatusCode());
        self::assertSame('In a meeting', $caller->expect('call:rejected')['reason']);
        self::assertSame('REJECTED', self::statusOf($call));
        self::assertSame([], $this->pushes());
    }

    public function testAnEndReachesTheOther(): void
    {
        [$caller, $receiver] = [Phone::online(), Phone::online()];
        $call = self::call('CONNECTING', $caller->user, $receiver->user);
        $caller->dial($receiver->user, $call->id);
        $receiver->expect('call:incoming');
        $this->say('accept', $call, $receiver->user);
        $this->say('end', $call, $receiver->user);

        $caller->expect('call:accepted');
        self::assertSame($receiver->user, $caller->expect('call:ended')['endedBy']);
        self::assertSame('ENDED', self::statusOf($call));
    }

    public function testACancelStopsTheRing(): void
    {
        [$caller, $receiver] = [Phone::online(), Phone::online()];
        $call = self::call('CONNECTING', $caller->user, $receiver->user);
        $caller->dial($receiver->user, $call->id);
        $receiver->expect('call:incoming');
        $this->say('cancel', $call, $caller->user);

        $receiver->expect('call:cancelled');
        self::assertSame(["call_cancelled to {$receiver->user}"], $this->pushes());
    }

    public function testOnlyARingingCallIsAccepted(): void
    {
        foreach (['ENDED', 'REJECTED', 'CANCELLED', 'MISSED'] as $over) {
            $call = self::call($over);
            $answer = $this->say('accept', $call, $call->receiver_id);
            self::assertSame(400, $answer->getStatusCode());
            self::assertSame('INVALID_STATUS', self::json($answer)['error']['code']);
            self::assertSame($over, self::statusOf($call));
        }
        self::assertSame([], $this->pushes());
        self::assertSame('', $this->logged());
    }

    public function testAnAcceptThatIsRepeatedChangesNothing(): void
    {
        $call = self::call();
        $first = self::json($this->say('accept', $call, $call->receiver_id));
        Call::find($call->id)->update(['receiver_joined_at' => now()->subMinutes(5)]);
        $joined = Call::find($call->id)->receiver_joined_at;
        $again = self::json($this->say('accept', $call, $call->receiver_id));

        self::assertEquals($joined, Call::find($call->id)->receiver_joined_at);
        self::assertSame($joined->toIso8601String(), $again['call']['receiver_joined_at']);
        self::assertSame(array_keys($first['call']), array_keys($again['call']));
        self::assertSame('agora-token', $again['call']['agora_token']);
        self::assertCount(1, $this->pushes());
    }

    public function testAStrangerLearnsAndChangesNothing(): void
    {
        foreach (['CONNECTING', 'ONGOING', 'ENDED'] as $status) {
            $call = self::call($status);
            $stranger = Phone::newUser();
            User::create(['id' => $stranger, 'user_type' => 'MALE']);
            foreach (['accept', 'reject', 'cancel', 'end'] as $what) {
                $answer = $this->say($what, $call, $stranger);
                self::assertSame([403, 'FORBIDDEN'], [$answer->getStatusCode(), self::json($answer)['error']['code']], $what);
                self::assertStringNotContainsString('agora', $answer->getContent());
                self::assertSame($status, self::statusOf($call));
            }
        }
    }

    public function testWhatThePartyMayNotDoIsStillRefused(): void
    {
        $call = self::call();
        self::assertSame(403, $this->say('accept', $call, $call->caller_id)->getStatusCode());
        self::assertSame(403, $this->say('reject', $call, $call->caller_id)->getStatusCode());
        self::assertSame(403, $this->say('cancel', $call, $call->receiver_id)->getStatusCode());
        self::assertSame(422, $this->say('end', $call, $call->caller_id, ['duration' => 'x'])->getStatusCode());
        foreach (['accept', 'reject', 'cancel', 'end'] as $what) {
            self::assertSame(404, $this->say($what, new Call(['id' => 'CALL_0']), $call->caller_id)->getStatusCode());
        }
        self::assertSame('CONNECTING', self::statusOf($call));
    }

    public function testTheIdMayLackItsPrefix(): void
    {
        $call = self::call();
        $short = new Call(['id' => substr($call->id, 5)]);

        self::assertSame(200, $this->say('accept', $short, $call->receiver_id)->getStatusCode());
        self::assertSame(200, $this->say('end', $short, $call->receiver_id)->getStatusCode());
        self::assertSame('ENDED', self::statusOf($call));
    }

    public function testADoubleEndBillsOnce(): void
    {
        $call = self::call('ONGOING');
        $first = self::json($this->say('end', $call, $call->caller_id));
        $second = self::json($this->say('end', $call, $call->receiver_id));

        self::assertSame([20, 20], [$first['call']['coins_spent'], $second['call']['coins_spent']]);
        self::assertSame('Call already ended', $second['message']);
        self::assertSame(2, Transaction::count());
        self::assertSame(80, (int) User::find($call->caller_id)->coin_balance);
    }

    public function testALateRejectOrCancelDoesNotOpenTheCallForASecondBill(): void
    {
        $call = self::call('ONGOING');
        self::assertSame(400, $this->say('reject', $call, $call->receiver_id)->getStatusCode());
        $this->say('end', $call, $call->caller_id);
        self::assertSame(200, $this->say('reject', $call, $call->receiver_id)->getStatusCode());
        self::assertSame(400, $this->say('cancel', $call, $call->caller_id)->getStatusCode());
        $this->say('end', $call, $call->caller_id);

        self::assertSame('ENDED', self::statusOf($call));
        self::assertSame(2, Transaction::count());
    }

    public function testOfACallThatIsOverNobodyIsTold(): void
    {
        $this->configure(['websocket.url' => Stage::backend('well')]);
        foreach (['ENDED', 'REJECTED', 'CANCELLED', 'MISSED'] as $over) {
            $call = self::call($over);
            Stage::seen();
            self::assertSame(200, $this->say('end', $call, $call->caller_id)->getStatusCode());
            self::assertSame(200, $this->say('reject', $call, $call->receiver_id)->getStatusCode());
            self::assertSame([], Stage::seen());
        }
        self::assertSame(0, Transaction::count());
    }

    public function testTheRowIsLockedFirst(): void
    {
        // SQLite knows no row locks, so the question is written down as MySQL would be asked; RaceTest has a real one.
        $mysql = DB::connection('mysql');
        $controller = new App\Http\Controllers\Api\CallController();
        $locked = new ReflectionMethod($controller, 'lockedCall');
        $locked->setAccessible(true);
        $this->configure(['database.default' => 'mysql']);
        $asked = $mysql->pretend(fn () => $locked->invoke($controller, '17'));
        $this->configure(['database.default' => 'sqlite']);

        self::assertMatchesRegularExpression(
            '/^select \* from `calls` where `calls`.`id` = (\?|\'CALL_17\') limit 1 for update$/',
            $asked[0]['query']
        );

        $call = self::call('ONGOING');
        DB::enableQueryLog();
        foreach (['accept', 'reject', 'cancel', 'end'] as $what) {
            DB::flushQueryLog();
            $this->say($what, $call, $call->receiver_id);
            $queries = array_column(DB::getQueryLog(), 'query');
            self::assertStringContainsString('"users"', $queries[0]); // who asks, before the transaction
            self::assertStringContainsString('from "calls" where "calls"."id" = ? limit 1', $queries[1]);
        }
    }

    public function testATroubleAfterTheirCommitTellsNobody(): void
    {
        $this->configure(['websocket.url' => Stage::backend('well'), 'standin.trouble' => true]);
        $call = self::call();
        Stage::seen();
        $answer = $this->say('accept', $call, $call->receiver_id);

        self::assertSame(500, $answer->getStatusCode());
        self::assertSame('CONNECTING', self::statusOf($call));
        self::assertSame([[], [], 0], [$this->pushes(), Stage::seen(), DB::transactionLevel()]);

        $this->configure(['standin.trouble' => false]);
        self::assertSame(200, $this->say('accept', $call, $call->receiver_id)->getStatusCode());
        self::assertSame('ONGOING', self::statusOf($call));
    }

    public function testAFailingPushFailsNothing(): void
    {
        $call = self::call();
        $this->app->make(Pushes::class)->listener = function () {
            throw new Error('FCM is away');
        };

        self::assertSame(200, $this->say('accept', $call, $call->receiver_id)->getStatusCode());
        self::assertSame('ONGOING', self::statusOf($call));
        self::assertStringContainsString('FCM is away', $this->logged());
    }

    public function testASocketServerThatIsAwayFailsNothing(): void
    {
        foreach ([self::nobody(), Stage::backend('500'), Stage::backend('rubbish')] as $url) {
            $this->configure(['websocket.url' => $url]);
            $call = self::call();
            self::assertSame(200, $this->say('accept', $call, $call->receiver_id)->getStatusCode());
            self::assertSame(200, $this->say('end', $call, $call->receiver_id)->getStatusCode());
        }
        self::assertCount(3, $this->pushes());
    }

    public function testAPushForTheServerNeedsTheSecret(): void
    {
        $call = self::call();
        $body = json_encode(['receiverId' => $call->receiver_id, 'callerId' => $call->caller_id, 'callId' => $call->id]);
        $ask = function (?string $secret) use ($call, $body) {
            $headers = ['HTTP_X_TEST_USER' => $call->caller_id];
            $headers += $secret === null ? [] : ['HTTP_X_INTERNAL_SECRET' => $secret];

            return $this->request('POST', '/api/v1/calls/notify-cancelled', $headers, $body)->getStatusCode();
        };

        self::assertSame([401, 401], [$ask(null), $ask('wrong')]);
        self::assertSame(200, $ask(getenv('SERVER_SECRET')));
        self::assertSame(["call_cancelled to {$call->receiver_id}"], $this->pushes());
        foreach ([null, '', false] as $unset) {
            $this->configure(['websocket.secret' => $unset]);
            self::assertSame([401, 401], [$ask(null), $ask('')]);
        }
    }
}
