<?php

use App\Services\WebSocketService;

/** What WebSocketService returns when the server cannot be asked: its offline values, soon, and without an exception. */
final class OfflineTest extends ApplicationTestCase
{
    private const NOT_WELL = ['slow', 'trickle', 'hangs-up', 'rubbish', 'text', 'redirect', 'unwell', '401', '404', '500'];

    public function testATroubledServerIsAnsweredForInTime(): void
    {
        $this->configure(['websocket.timeout' => '0.1']);
        foreach ([...array_map([Stage::class, 'backend'], self::NOT_WELL), self::nobody()] as $url) {
            $this->configure(['websocket.url' => $url]);
            foreach (self::offlineValues() as $what => [$ask, $offline]) {
                $began = microtime(true);
                $answer = $ask(new WebSocketService());
                self::assertLessThan(10.0, microtime(true) - $began, "{$what} at {$url}"); // slow is 30 s
                self::assertSame($offline, self::withoutReason($answer), "{$what} at {$url}");
            }
        }
    }

    public function testAnAnswerOfOtherTypesIsOffline(): void
    {
        $this->configure(['websocket.url' => Stage::backend('mistyped')]);
        $service = new WebSocketService();

        self::assertFalse($service->isUserOnline('USR_1'));
        self::assertSame(['USR_1' => false], $service->areUsersOnline(['USR_1']));
        self::assertSame([], $service->getConnectedUsers());
        self::assertFalse($service->isServerAvailable());
        self::assertFalse($service->disconnectUser('USR_1'));
        $said = $service->emitCallAccepted('CALL_1', 'USR_1', 'USR_2');
        self::assertSame([false, false], [$said['success'], $said['emitted']]);
    }

    public function testAfterAFailedQuestionTheRestIsNotAsked(): void
    {
        $this->configure(['websocket.url' => Stage::backend('500')]);
        Stage::seen();
        $online = (new WebSocketService())->areUsersOnline(range(1, 2500));

        self::assertSame(array_fill(1, 2500, false), $online);
        self::assertCount(1, Stage::seen());
    }

    public function testTheUsualTimeoutIsTwoSeconds(): void
    {
        $this->configure(['websocket.url' => Stage::backend('slow')]);
        foreach ([0, 'soon'] as $timeout) { // 0 is for ever, to curl
            $this->configure(['websocket.timeout' => $timeout]);
            $began = microtime(true);
            self::assertFalse((new WebSocketService())->isUserOnline('USR_1'));
            self::assertEqualsWithDelta(6.0, microtime(true) - $began, 4.3); // from 1.7 s on, to allow for a slow machine
        }
    }

    public function testAServerThatTakesNoConnectionIsLeftAfterOneSecond(): void
    {
        $short = stream_context_create(['socket' => ['backlog' => 1]]);
        $listen = STREAM_SERVER_BIND | STREAM_SERVER_LISTEN;
        $full = stream_socket_server('tcp://127.0.0.1:0', $code, $text, $listen, $short);
        $name = stream_socket_get_name($full, false);
        $waiting = [];
        for ($i = 0; $i < 4; ++$i) {
            $atOnce = STREAM_CLIENT_CONNECT | STREAM_CLIENT_ASYNC_CONNECT;
            $waiting[] = stream_socket_client("tcp://{$name}", $code, $text, 1, $atOnce);
        }
        $this->configure(['websocket.url' => "http://{$name}", 'websocket.timeout' => 30]);
        $began = microtime(true);

        self::assertFalse((new WebSocketService())->isUserOnline('USR_1'));
        self::assertLessThan(10.0, microtime(true) - $began);
        self::assertStringContainsString('"trouble":"timed out"', $this->logged());
        array_map('fclose', [...array_filter($waiting), $full]);
    }

    public function testDisabledAsksNothing(): void
    {
        $this->configure(['websocket.url' => Stage::backend('well')]);
        Stage::seen();
        foreach ([false, 'false', '0', 'off', 'no', ''] as $disabled) {
            $this->configure(['websocket.enabled' => $disabled]);
            foreach (self::offlineValues() as $what => [$ask, $offline]) {
                self::assertSame($offline, self::withoutReason($ask(new WebSocketService())), $what);
            }
        }
        self::assertSame([], Stage::seen());
        self::assertSame('', $this->logged());

        foreach ([true, 'true', '1', 'on'] as $enabled) {
            $this->configure(['websocket.enabled' => $enabled]);
            self::assertTrue((new WebSocketService())->isUserOnline('USR_1'));
        }
        self::assertCount(4, Stage::seen());
    }

    public function testWithoutAFitSecretNothingIsSaid(): void
    {
        $this->configure(['websocket.url' => Stage::backend('well')]);
        $unfit = [
            'is not set' => [false, null, '', ' , '],
            'is shorter than 16 characters' => ['0123456789abcde'],
            'is a well-known placeholder' => ['your-secret-key-change-in-production', 'aaaaaaaaaaaaaaaaaaaa'],
            'has characters that an HTTP header cannot carry' => ["0123456789abcdef\r\nX-Evil: 1"],
        ];
        foreach ($unfit as $problem => $secrets) {
            foreach ($secrets as $secret) {
                $this->setUp();
                $this->configure(['websocket.url' => Stage::backend('well'), 'websocket.secret' => $secret]);
                Stage::seen();
                $service = new WebSocketService();
                self::assertSame('no secret', $service->emitCallAccepted('CALL_1', 'USR_1', 'USR_2')['reason']);
                self::assertFalse($service->disconnectUser('USR_1'));
                self::assertNull($service->getCallTimeline('CALL_1'));
                self::assertSame(['USR_1' => false], $service->areUsersOnline(['USR_1']));
                self::assertSame([], Stage::seen());
                self::assertSame(1, substr_count($this->logged(), "WEBSOCKET_SECRET {$problem}"), $this->logged());
                self::assertSame(1, substr_count($this->logged(), "\n"));

                $service->isUserOnline('USR_1');
                self::assertArrayNotHasKey('x-internal-secret', Stage::seen()[0]['headers']);
            }
        }
    }

    public function testOfTwoSecretsTheFirstIsSent(): void
    {
        $this->configure(['websocket.url' => Stage::backend('well')]);
        $this->configure(['websocket.secret' => ' 4fd0c1e6a85b97e2 ,5ad0c1e6a85b97e2']);
        Stage::seen();
        (new WebSocketService())->emitCallEnded('CALL_1', 'USR_1', 'USR_2', 'USR_1');

        self::assertSame('4fd0c1e6a85b97e2', Stage::seen()[0]['headers']['x-internal-secret']);
    }

    public function testNothingFollowsARedirect(): void
    {
        $this->configure(['websocket.url' => Stage::backend('redirect')]);
        Stage::seen();
        (new WebSocketService())->emitCallEnded('CALL_1', 'USR_1', 'USR_2');

        self::assertCount(1, Stage::seen());
    }

    public function testNoProxyOfTheEnvironmentIsAsked(): void
    {
        $this->configure(['websocket.url' => Stage::backend('well')]);
        foreach (['http_proxy', 'HTTP_PROXY', 'all_proxy'] as $name) {
            putenv("{$name}=".self::nobody());
        }
        try {
            self::assertTrue((new WebSocketService())->isUserOnline('USR_1'));
        } finally {
            array_map('putenv', ['http_proxy', 'HTTP_PROXY', 'all_proxy']);
        }
    }

    public function testAnAddressThatIsNoneAsksNobody(): void
    {
        foreach (['', 'localhost:3001', 'ws://localhost:3001', 'http://', 'http://a b', null, 'http://localhost:3001?x'] as $url) {
            $this->configure(['websocket.url' => $url]);
            self::assertFalse((new WebSocketService())->isUserOnline('USR_1'));
        }
        self::assertSame(7, substr_count($this->logged(), '"trouble":"bad url"'));
    }

    public function testASlashAtTheEndOfTheAddressIsNoMatter(): void
    {
        $this->configure(['websocket.url' => getenv('SERVER_URL').'/']);

        self::assertTrue((new WebSocketService())->isServerAvailable());
    }

    public function testTheLogHoldsNoSecretAndNobodysId(): void
    {
        $this->configure(['websocket.timeout' => '0.1']);
        foreach ([...array_map([Stage::class, 'backend'], self::NOT_WELL), self::nobody()] as $url) {
            $this->configure(['websocket.url' => str_replace('http://', 'http://name:password@', $url)]);
            foreach (self::offlineValues('+919876543210') as [$ask]) {
                $ask(new WebSocketService());
            }
        }
        $logged = $this->logged();

        self::assertStringContainsString('The socket server failed Laravel: GET /api/users/{}/online', $logged);
        foreach ([getenv('SERVER_SECRET'), '919876543210', 'password', 'Unauthorized', '127.0.0.1'] as $private) {
            self::assertStringNotContainsString($private, $logged);
        }
    }

    public function testALogThatCannotBeWrittenIsNoTrouble(): void
    {
        $this->configure(['websocket.url' => self::nobody(), 'logging.channels.single.path' => '/proc/no/such/file']);
        $this->configure(['logging.channels.emergency.path' => '/proc/no/such/file']);

        self::assertFalse((new WebSocketService())->isUserOnline('USR_1'));
    }

    /** @return array<string, array{callable(WebSocketService): mixed, mixed}> */
    private static function offlineValues(string $user = 'USR_1'): array
    {
        $unsaid = ['success' => false, 'emitted' => false];

        return [
            'isUserOnline' => [fn ($service) => $service->isUserOnline($user), false],
            'areUsersOnline' => [fn ($service) => $service->areUsersOnline([$user, 'x']), [$user => false, 'x' => false]],
            'getConnectedUsers' => [fn ($service) => $service->getConnectedUsers(), []],
            'getHealthStatus' => [fn ($service) => $service->getHealthStatus(), null],
            'isServerAvailable' => [fn ($service) => $service->isServerAvailable(), false],
            'emitCallAccepted' => [fn ($service) => $service->emitCallAccepted('CALL_1', $user, 'x', 'd'), $unsaid],
            'emitCallCancelled' => [fn ($service) => $service->emitCallCancelled('CALL_1', $user, 'x'), $unsaid],
            'emitCallRejected' => [fn ($service) => $service->emitCallRejected('CALL_1', $user, 'x', 'r'), $unsaid],
            'emitCallEnded' => [fn ($service) => $service->emitCallEnded('CALL_1', $user, 'x', 'x', 'r'), $unsaid],
            'disconnectUser' => [fn ($service) => $service->disconnectUser($user), false],
            'getCallTimeline' => [fn ($service) => $service->getCallTimeline('CALL_1'), null],
        ];
    }

    private static function withoutReason($answer)
    {
        if (is_array($answer) && isset($answer['reason'])) {
            unset($answer['reason']);
        }

        return $answer;
    }
}
