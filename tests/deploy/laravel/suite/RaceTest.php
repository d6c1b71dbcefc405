<?php

use App\Models\Call;
use App\Models\Transaction;
use App\Models\User;

/** Two requests at the same moment, in two processes, with the row locks of a real MariaDB. */
final class RaceTest extends CallTestCase
{
    protected function setUp(): void
    {
        if (getenv('DB_SOCKET') === false) {
            self::markTestSkipped('needs MariaDB: only the Debian 13 root has it');
        }
        putenv('DB_CONNECTION=mysql');
        parent::setUp();
        array_map('unlink', glob(storage_path('met-*')));
    }

    public function testTwoEndsAtOnceBillOnce(): void
    {
        $call = self::call('ONGOING');
        [$one, $other] = $this->atOnce(self::bothEnd($call));
        $messages = [$one['message'], $other['message']];

        self::assertSame([20, 20], [$one['call']['coins_spent'], $other['call']['coins_spent']]);
        self::assertEqualsCanonicalizing(['Call ended successfully', 'Call already ended'], $messages);
        self::assertSame([2, 80], [Transaction::count(), (int) User::find($call->caller_id)->coin_balance]);
    }

    public function testWithoutThePatchTheyBillTwice(): void
    {
        $call = self::call('ONGOING');
        $this->atOnce(self::bothEnd($call), ['STANDIN_UNPATCHED' => '1', 'STANDIN_MEET_MS' => '20000']);

        self::assertSame([4, 60], [Transaction::count(), (int) User::find($call->caller_id)->coin_balance]);
    }

    public function testAcceptAndCancelAtOnceHaveOneWinner(): void
    {
        for ($round = 0; $round < 3; ++$round) {
            $call = self::call();
            $requests = ["accept {$call->id} {$call->receiver_id}", "cancel {$call->id} {$call->caller_id}"];
            $answers = $this->atOnce($requests);
            self::assertEqualsCanonicalizing([true, false], array_column($answers, 'success'));
            self::assertSame($answers[0]['success'] ? 'ONGOING' : 'CANCELLED', self::statusOf($call));
        }
    }

    private static function bothEnd(Call $call): array
    {
        return ["end {$call->id} {$call->caller_id}", "end {$call->id} {$call->receiver_id}"];
    }

    /** @param string[] $requests what, call, user */
    private function atOnce(array $requests, array $environment = []): array
    {
        $environment += ['STANDIN_MEET_MS' => '1000', 'DB_CONNECTION' => 'mysql'] + getenv();
        $processes = [];
        foreach ($requests as $request) {
            $pipes = [];
            $command = [PHP_BINARY, __DIR__.'/one_request.php', ...explode(' ', $request)];
            $process = proc_open($command, [1 => ['pipe', 'w'], 2 => STDERR], $pipes, null, $environment);
            $processes[] = [$process, $pipes[1]];
        }

        return array_map(function (array $running) {
            $answer = json_decode(stream_get_contents($running[1]), true);
            self::assertSame(0, proc_close($running[0]));

            return $answer;
        }, $processes);
    }
}
