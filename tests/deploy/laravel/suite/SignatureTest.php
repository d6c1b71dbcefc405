<?php

use Illuminate\Support\Facades\Route;

/** The middleware lets pass what the server's own code signed, and nothing else. */
final class SignatureTest extends ApplicationTestCase
{
    private const SECRET = '4fd0c1e6a85b97e2';
    private const TARGET = '/api/signed/%C3%A9+b?q=%20a&list[]=1&x=';

    protected function setUp(): void
    {
        parent::setUp();
        $this->configure(['websocket.secret' => self::SECRET]);
        Route::any('api/signed/{rest}', fn () => ['through' => true])->middleware('websocket.signed');
    }

    public function testWhatTheServerSignedPasses(): void
    {
        foreach (['GET' => '', 'POST' => '{"text":"Zoë\n"}', 'DELETE' => ''] as $method => $body) {
            self::assertSame(['through' => true], $this->ask($method, $body, self::SECRET));
        }
    }

    public function testEitherOfTwoSecretsWillDo(): void
    {
        $this->configure(['websocket.secret' => '5ad0c1e6a85b97e2,'.self::SECRET]);

        self::assertSame(['through' => true], $this->ask('GET', '', self::SECRET));
        self::assertSame(['through' => true], $this->ask('GET', '', '5ad0c1e6a85b97e2'));
        self::assertSame('SIGNATURE_WRONG', $this->ask('GET', '', '6ad0c1e6a85b97e2'));
    }

    public function testAnythingChangedIsRefused(): void
    {
        $signed = Stage::signed(self::SECRET, 'POST', self::TARGET, '{}', time());
        $changed = [
            ['GET', self::TARGET, '{}', $signed],
            ['POST', self::TARGET.'&y', '{}', $signed],
            ['POST', '/api/signed/other?q=%20a&list[]=1&x=', '{}', $signed],
            ['POST', self::TARGET, '{ }', $signed],
            ['POST', self::TARGET, '{}', ['HTTP_X_ONLYCARE_TIMESTAMP' => time() + 1] + $signed],
            ['POST', self::TARGET, '{}', ['HTTP_X_ONLYCARE_TIMESTAMP' => $signed['HTTP_X_ONLYCARE_TIMESTAMP'].' '] + $signed],
            ['POST', self::TARGET, '{}', ['HTTP_X_ONLYCARE_TIMESTAMP' => ''] + $signed],
            ['POST', self::TARGET, '{}', ['HTTP_X_ONLYCARE_SIGNATURE' => substr($signed['HTTP_X_ONLYCARE_SIGNATURE'], 7)] + $signed],
            ['POST', self::TARGET, '{}', ['HTTP_X_ONLYCARE_SIGNATURE' => 'sha256='] + $signed],
            ['POST', self::TARGET, '{}', array_diff_key($signed, ['HTTP_X_ONLYCARE_SIGNATURE' => 1])],
            ['POST', self::TARGET, '{}', []],
        ];
        foreach ($changed as $number => [$method, $target, $body, $headers]) {
            $response = $this->request($method, $target, $headers, $body);
            self::assertSame([401, 'SIGNATURE_WRONG'], [$response->getStatusCode(), self::json($response)['error']['code']], $number);
        }
    }

    public function testTheWindowIsFiveMinutesInBothDirections(): void
    {
        foreach ([-298, 0, 298] as $off) {
            self::assertSame(['through' => true], $this->ask('GET', '', self::SECRET, time() + $off));
        }
        foreach ([-302, 302, -86400, 99999999999] as $off) {
            self::assertSame('TIMESTAMP_WRONG', $this->ask('GET', '', self::SECRET, time() + $off));
        }
    }

    public function testWithoutASecretEverythingIsRefused(): void
    {
        foreach ([false, '', 'short', 'your-secret-key-change-in-production'] as $secret) {
            $this->configure(['websocket.secret' => $secret]);
            $response = $this->request('GET', self::TARGET, Stage::signed((string) $secret, 'GET', self::TARGET, '', time()));
            self::assertSame(503, $response->getStatusCode());
            $error = self::json($response)['error'];
            self::assertSame('SECRET_MISSING', $error['code']);
            self::assertStringStartsWith('WEBSOCKET_SECRET of Laravel is ', $error['message']);
        }
    }

    public function testTheMethodIsTheOneThatWasSent(): void
    {
        $signed = Stage::signed(self::SECRET, 'POST', self::TARGET, '', time());
        $override = ['HTTP_X_HTTP_METHOD_OVERRIDE' => 'DELETE'];

        self::assertSame(200, $this->request('POST', self::TARGET, $override + $signed)->getStatusCode());
    }

    /** @return array|string what the route answers, or the code of the refusal */
    private function ask(string $method, string $body, string $secret, ?int $now = null)
    {
        $headers = Stage::signed($secret, $method, self::TARGET, $body, $now ?? time());
        $answer = self::json($this->request($method, self::TARGET, $headers, $body));

        return $answer['error']['code'] ?? $answer;
    }
}
