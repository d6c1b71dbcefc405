<?php

use App\Services\WebSocketService;

/** WebSocketService beside the real server and real phones. */
final class ServiceTest extends ApplicationTestCase
{
    private WebSocketService $service;

    protected function setUp(): void
    {
        parent::setUp();
        $this->service = new WebSocketService(); // as the deployed one, without arguments
    }

    public function testItSaysWhoIsOnline(): void
    {
        $phone = Phone::online();
        [$here, $away] = [$phone->user, Phone::newUser()];
        $number = substr($here, 4);

        self::assertTrue($this->service->isUserOnline($here));
        self::assertTrue($this->service->isUserOnline($number));
        self::assertTrue($this->service->isUserOnline("USR_{$here}"));
        self::assertFalse($this->service->isUserOnline($away));
        self::assertSame(
            [$here => true, $away => false, (int) $number => true],
            $this->service->areUsersOnline([$here, $away, (int) $number, $here])
        );
        self::assertContains($here, $this->service->getConnectedUsers());
        self::assertNotContains($away, $this->service->getConnectedUsers());
    }

    public function testItAsksAboutMoreUsersThanFitIntoOneQuestion(): void
    {
        $phone = Phone::online();
        $ids = array_map(fn ($number) => "USR_9{$number}", range(10000, 12499));
        $online = $this->service->areUsersOnline([...$ids, $phone->user]);

        self::assertCount(2501, $online);
        self::assertSame([$phone->user], array_keys(array_filter($online)));
        self::assertSame([], $this->service->areUsersOnline([]));
    }

    public function testItNeedsNoSecretForWhatTheDeployedOneAsks(): void
    {
        $this->configure(['websocket.secret' => false]);
        $phone = Phone::online();

        self::assertTrue($this->service->isUserOnline($phone->user));
        self::assertContains($phone->user, $this->service->getConnectedUsers());
        self::assertTrue($this->service->isServerAvailable());
        self::assertSame('', $this->logged());
    }

    public function testItSaysHowTheServerIs(): void
    {
        $health = $this->service->getHealthStatus();

        self::assertSame('OK', $health['status']);
        self::assertIsInt($health['connectedUsers']);
        self::assertTrue($this->service->isServerAvailable());
    }

    public function testIdsMayHoldAnyCharacter(): void
    {
        foreach (['a/b', 'a b', '5?x=1', '5#x', '%2e%2e', '../health', "Zoë 'x' \"y\"", '+91 98765', 'a&b=c', '{}'] as $id) {
            $asked = Stage::backend('well');
            $this->configure(['websocket.url' => $asked]);
            Stage::seen();
            $this->service->isUserOnline($id);
            $this->service->disconnectUser($id);
            $paths = array_column(Stage::seen(), 'path');
            $encoded = rawurlencode($id);
            self::assertSame(["/api/users/{$encoded}/online", "/api/users/{$encoded}/disconnect"], $paths);

            $this->configure(['websocket.url' => getenv('SERVER_URL')]);
            self::assertFalse($this->service->isUserOnline($id));
            self::assertNull($this->service->getCallTimeline($id));
        }
    }

    public function testWhatIsNoIdIsAskedOfNobody(): void
    {
        $this->configure(['websocket.url' => Stage::backend('well')]);
        Stage::seen();
        foreach (['', '.', '..'] as $id) {
            self::assertFalse($this->service->isUserOnline($id));
            self::assertFalse($this->service->disconnectUser($id));
            self::assertNull($this->service->getCallTimeline($id));
        }
        self::assertSame([], Stage::seen());
    }

    public function testAnIdThatIsNotUtf8IsOffline(): void
    {
        self::assertFalse($this->service->isUserOnline("\xff\xfe"));
        self::assertSame(["\xff" => false], $this->service->areUsersOnline(["\xff"]));
        self::assertFalse($this->service->emitCallEnded("\xff", 'USR_1', 'USR_2')['success']);
    }

    public function testAcceptedReachesTheCaller(): void
    {
        [$caller, $receiver, $call] = $this->ringing();

        self::assertSame(
            ['success' => true, 'emitted' => true, 'state' => 'accepted'],
            $this->service->emitCallAccepted($call, $caller->user, $receiver->user)
        );
        self::assertSame($receiver->user, $caller->expect('call:accepted')['receiverId']);
        $again = $this->service->emitCallAccepted($call, $caller->user, $receiver->user);
        self::assertSame([false, true], [$again['emitted'], $again['duplicate']]);
    }

    public function testCancelledStopsTheReceiver(): void
    {
        [$caller, $receiver, $call] = $this->ringing();

        self::assertTrue($this->service->emitCallCancelled($call, $caller->user, $receiver->user, 'Changed my mind')['emitted']);
        self::assertSame('Changed my mind', $receiver->expect('call:cancelled')['reason']);
        $receiver->expect('call:ended');
        $receiver->quiet();
    }

    public function testRejectedReachesTheCaller(): void
    {
        [$caller, $receiver, $call] = $this->ringing();

        self::assertTrue($this->service->emitCallRejected($call, $caller->user, $receiver->user, 'In a meeting')['emitted']);
        self::assertSame('In a meeting', $caller->expect('call:rejected')['reason']);
        $receiver->expect('call:cancelled');
        $receiver->expect('call:ended');
    }

    public function testEndedReachesBoth(): void
    {
        [$caller, $receiver, $call] = $this->ringing();
        $this->service->emitCallAccepted($call, $caller->user, $receiver->user);
        $caller->expect('call:accepted');

        self::assertTrue($this->service->emitCallEnded($call, $caller->user, $receiver->user, $caller->user)['emitted']);
        self::assertSame($caller->user, $caller->expect('call:ended')['endedBy']);
        $receiver->expect('call:cancelled'); // no device of his had named itself the one that answers
        self::assertSame($caller->user, $receiver->expect('call:ended')['endedBy']);
    }

    public function testARefusedWordSaysWhy(): void
    {
        [$caller, $receiver, $call] = $this->ringing();
        $answer = $this->service->emitCallEnded($call, $receiver->user, $caller->user);

        self::assertSame(['success' => false, 'emitted' => false, 'reason' => 'Parties do not match'], $answer);
        self::assertStringContainsString('/api/emit/call-ended {"trouble":"refused","status":409}', $this->logged());
    }

    public function testAUserIsDisconnected(): void
    {
        $phone = Phone::online();

        self::assertTrue($this->service->disconnectUser($phone->user));
        self::assertFalse($this->service->isUserOnline($phone->user));
        self::assertTrue($this->service->disconnectUser(Phone::newUser()));
    }

    public function testTheTimelineOfACall(): void
    {
        [, , $call] = $this->ringing();
        $timeline = $this->service->getCallTimeline($call);

        self::assertSame($call, $timeline['callId']);
        self::assertNotEmpty($timeline['steps']);
        self::assertSame($timeline['steps'][0], $this->service->getCallTimeline(substr($call, 5))['steps'][0]);
        self::assertNull($this->service->getCallTimeline('CALL_1'));
        self::assertSame('', $this->logged());
    }

    /** @return array{Phone, Phone, string} caller, receiver, call */
    private function ringing(): array
    {
        [$caller, $receiver] = [Phone::online(), Phone::online()];
        $call = Phone::newCall();
        self::assertTrue($caller->dial($receiver->user, $call)['success']);
        $receiver->expect('call:incoming');

        return [$caller, $receiver, $call];
    }
}
