<?php

use Illuminate\Contracts\Console\Kernel;

/** What websocket:health tells an operator, and GET /api/websocket/check the doctor. */
final class CheckTest extends ApplicationTestCase
{
    public function testAllIsWell(): void
    {
        [$code, $output] = $this->health();

        self::assertSame(0, $code, $output);
        self::assertMatchesRegularExpression('/^enabled +yes\nurl +http:\S+\nhealth +OK, version \S+, /', $output);
        self::assertMatchesRegularExpression('/, \d+ users connected, \d+ live calls\nsecret +accepted\n/', $output);
    }

    public function testItSaysWhichSideIsWrong(): void
    {
        $server = getenv('SERVER_URL');
        $secret = getenv('SERVER_SECRET');
        $wrong = [
            [['enabled' => false], 2, 'Set WEBSOCKET_ENABLED=true'],
            [['url' => 'localhost:3001'], 2, 'WEBSOCKET_URL of Laravel is no address'],
            [['url' => self::nobody()], 3, 'Nothing listens at the address that Laravel asks'],
            [['url' => Stage::backend('slow'), 'timeout' => 0.2], 3, 'did not answer in time'],
            [['url' => Stage::backend('rubbish')], 3, 'Something else than the socket server answers Laravel (HTTP 200)'],
            [['url' => Stage::backend('404')], 3, 'Something else than the socket server answers Laravel (HTTP 404)'],
            [['url' => Stage::backend('502')], 3, 'gets no answer from the socket server itself (HTTP 502)'],
            [['url' => Stage::backend('hangs-up')], 3, 'breaks it off without an answer'],
            [['url' => Stage::backend('unwell')], 1, 'is not well: DEGRADED??31m ?b?.'],
            [['url' => Stage::backend('old')], 1, 'old Node server'],
            [['secret' => false], 2, 'WEBSOCKET_SECRET of Laravel is not set'],
            [['secret' => 'short'], 2, 'WEBSOCKET_SECRET of Laravel is shorter than 16 characters'],
            [['secret' => 'your-secret-key-change-in-production'], 2, 'WEBSOCKET_SECRET of Laravel is a well-known placeholder'],
            [['secret' => '4fd0c1e6a85b97e2'], 4, 'The socket server refuses the secret of Laravel'],
            [['secret' => "short,{$secret}"], 2, 'Take the unfit one out'],
        ];
        foreach ($wrong as [$settings, $expected, $words]) {
            $settings += ['enabled' => true, 'url' => $server, 'timeout' => 2, 'secret' => $secret];
            foreach ($settings as $name => $value) {
                $this->configure(["websocket.{$name}" => $value]);
            }
            [$code, $output] = $this->health();
            self::assertSame($expected, $code, $output);
            self::assertStringContainsString($words, $output);
            self::assertStringNotContainsString($secret, $output);
            self::assertDoesNotMatchRegularExpression('/[^\x20-\x7e\n]/', $output);
        }
    }

    public function testDisabledChecksNothing(): void
    {
        $this->configure(['websocket.enabled' => false, 'websocket.url' => Stage::backend('well')]);
        Stage::seen();
        $this->health();

        self::assertSame([], Stage::seen());
    }

    public function testAPasswordInTheAddressIsNotShown(): void
    {
        $this->configure(['websocket.url' => str_replace('//', '//name:password@', getenv('SERVER_URL'))]);
        [$code, $output] = $this->health();

        self::assertSame(0, $code, $output);
        self::assertStringNotContainsString('password', $output);
    }

    public function testItWritesJsonForPrograms(): void
    {
        [$code, $output] = $this->health(['--json' => true]);
        $found = json_decode($output, true);

        self::assertSame(0, $code);
        self::assertSame(['enabled', 'url', 'health', 'secretAccepted', 'code', 'problem', 'advice'], array_keys($found));
        self::assertTrue($found['secretAccepted']);
    }

    public function testTheDoctorIsTold(): void
    {
        $found = $this->check(getenv('SERVER_SECRET'));

        self::assertSame([true, true, getenv('SERVER_URL')], [$found['success'], $found['enabled'], $found['url']]);
        self::assertSame('OK', $found['health']['status']);
        self::assertTrue($found['secretAccepted']);
        self::assertNull($found['problem']);
        self::assertMatchesRegularExpression('/^\d+\.\d+\.\d+$/', $found['version']);
    }

    public function testTheDoctorIsToldWhatIsWrong(): void
    {
        $this->configure(['websocket.url' => self::nobody()]);
        $found = $this->check(getenv('SERVER_SECRET'));
        self::assertSame([true, null, false], [$found['success'], $found['health'], $found['secretAccepted']]);

        $this->configure(['websocket.url' => getenv('SERVER_URL'), 'websocket.secret' => '4fd0c1e6a85b97e2']);
        $found = $this->check('4fd0c1e6a85b97e2');
        self::assertSame(['OK', false, 4], [$found['health']['status'], $found['secretAccepted'], $found['code']]);
    }

    public function testNobodyElseIsTold(): void
    {
        self::assertSame(401, $this->request('GET', '/api/websocket/check')->getStatusCode());
    }

    private function check(string $secret): array
    {
        $target = '/api/websocket/check';

        return self::json($this->request('GET', $target, Stage::signed($secret, 'GET', $target, '', time())));
    }

    /** @return array{int, string} */
    private function health(array $options = []): array
    {
        $kernel = $this->app->make(Kernel::class);

        return [$kernel->call('websocket:health', $options), $kernel->output()];
    }
}
