<?php

use App\Services\WebSocketSecret;

/** Laravel and the server agree which secrets protect something. */
final class SecretTest extends ApplicationTestCase
{
    public function testBothSidesJudgeASecretAlike(): void
    {
        $secrets = [
            '0123456789abcde', '0123456789abcdef', '4fd0c1e6a85b97e2', 'aaaaaaaaaaaaaaaaaaaa', 'abcdabcdabcdabcd',
            'abcdeabcdeabcdea', 'your-secret-key-change-in-production', 'YOUR_SECRET_KEY_1234', 'onlycare-development-secret',
            'my-super-secret-websocket-key', 'changemechangemechangeme', 'secret-1234567890-123', '1234567890123456789',
            'correct horse battery staple', 'Zoë-Zoë-Zoë-Zoë-Zoë', "tab\there-0123456789", 'onlycare-4fd0c1e6a85b97e2',
            'test-test-test-test', 'secret'.str_repeat('9', 11), 'secret-0123456789-01', '-_-_-_-_-_-_-_-_-_-_-+',
        ];
        foreach ($secrets as $secret) {
            $fitThere = Stage::ask('/secret-problem', ['secret' => $secret])['problem'] === null;
            self::assertSame($fitThere, (new WebSocketSecret($secret))->problem() === null, $secret);
        }
    }

    public function testTwoMayBeGiven(): void
    {
        $secrets = new WebSocketSecret('4fd0c1e6a85b97e2, 5ad0c1e6a85b97e2');

        self::assertNull($secrets->problem());
        self::assertTrue($secrets->matches('4fd0c1e6a85b97e2'));
        self::assertTrue($secrets->matches('5ad0c1e6a85b97e2'));
        foreach (['4fd0c1e6a85b97e2, 5ad0c1e6a85b97e2', '4fd0c1e6a85b97e', '', null] as $wrong) {
            self::assertFalse($secrets->matches($wrong));
        }
    }

    public function testAnUnfitOneOpensNothing(): void
    {
        $secrets = new WebSocketSecret('short, 5ad0c1e6a85b97e2');

        self::assertSame('is shorter than 16 characters', $secrets->problem());
        self::assertSame('5ad0c1e6a85b97e2', $secrets->toSend());
        self::assertFalse($secrets->matches('short'));
        self::assertFalse((new WebSocketSecret(false))->matches(''));
        self::assertFalse((new WebSocketSecret(null))->matches(null));
    }

    public function testThereIsNoDefault(): void
    {
        $config = require base_path('config/websocket.php');

        self::assertFalse($config['secret']);
        self::assertSame(['http://localhost:3001', 2, true], [$config['url'], $config['timeout'], $config['enabled']]);
    }
}
