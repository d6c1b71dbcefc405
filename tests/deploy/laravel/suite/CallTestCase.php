<?php

use App\Models\Call;
use App\Models\User;
use App\Services\Pushes;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;
use Symfony\Component\HttpFoundation\Response;

/** Gives each test the backend's tables, two users and a call between them. */
abstract class CallTestCase extends ApplicationTestCase
{
    protected function setUp(): void
    {
        parent::setUp();
        self::createTables();
    }

    protected function tearDown(): void
    {
        DB::disconnect();
        parent::tearDown();
    }

    protected static function createTables(): void
    {
        foreach (['transactions', 'calls', 'users'] as $table) {
            Schema::dropIfExists($table);
        }
        Schema::create('users', function ($table) {
            $table->string('id', 50)->primary();
            $table->string('user_type');
            $table->integer('coin_balance')->default(100);
            $table->integer('total_earnings')->default(0);
            $table->boolean('is_busy')->default(false);
        });
        Schema::create('calls', function ($table) {
            $table->string('id', 50)->primary();
            $table->string('caller_id', 50);
            $table->string('receiver_id', 50);
            $table->string('call_type');
            $table->enum('status', ['PENDING', 'CONNECTING', 'ONGOING', 'ENDED', 'MISSED', 'REJECTED', 'CANCELLED']);
            $table->integer('duration')->default(0);
            $table->integer('coins_spent')->default(0);
            $table->integer('coins_earned')->default(0);
            $table->integer('coin_rate_per_minute')->default(10);
            $table->string('agora_token')->nullable();
            $table->string('channel_name')->nullable();
            $table->timestamp('started_at')->nullable();
            $table->timestamp('receiver_joined_at')->nullable();
            $table->timestamp('ended_at')->nullable();
            $table->timestamp('created_at')->useCurrent();
        });
        Schema::create('transactions', function ($table) {
            $table->string('id', 50)->primary();
            $table->string('user_id', 50);
            $table->string('type');
            $table->integer('coins');
            $table->string('reference_id', 50);
        });
    }

    /** A call that a man makes to a woman. */
    protected static function call(string $status = 'CONNECTING', ?string $callerId = null, ?string $receiverId = null): Call
    {
        $callerId = $callerId ?? Phone::newUser();
        $receiverId = $receiverId ?? Phone::newUser();
        User::create(['id' => $callerId, 'user_type' => 'MALE']);
        User::create(['id' => $receiverId, 'user_type' => 'FEMALE']);
        $joined = in_array($status, ['ONGOING', 'ENDED'], true) ? now()->subSeconds(90) : null;

        return Call::create([
            'id' => Phone::newCall(),
            'caller_id' => $callerId,
            'receiver_id' => $receiverId,
            'call_type' => 'AUDIO',
            'status' => $status,
            'agora_token' => 'agora-token',
            'channel_name' => 'channel',
            'started_at' => $joined,
            'receiver_joined_at' => $joined,
        ]);
    }

    /** POST /api/v1/calls/{id}/{what} by this user. */
    protected function say(string $what, Call $call, ?string $userId, array $body = []): Response
    {
        $body = json_encode((object) ($body + ['duration' => 90]));

        return $this->request('POST', "/api/v1/calls/{$call->id}/{$what}", ['HTTP_X_TEST_USER' => $userId], $body);
    }

    protected static function statusOf(Call $call): string
    {
        return Call::find($call->id)->status;
    }

    /** @return string[] */
    protected function pushes(): array
    {
        return $this->app->make(Pushes::class)->sent;
    }
}
