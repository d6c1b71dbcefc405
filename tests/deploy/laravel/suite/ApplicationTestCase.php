<?php

use Illuminate\Contracts\Http\Kernel;
use Illuminate\Foundation\Bootstrap;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\Cache;
use PHPUnit\Framework\TestCase;
use Symfony\Component\HttpFoundation\Response;

/** Gives each test a freshly booted Laravel that is set up for the real socket server. */
abstract class ApplicationTestCase extends TestCase
{
    protected Illuminate\Foundation\Application $app;

    private string $log;

    protected function setUp(): void
    {
        $this->app = require dirname(__DIR__).'/bootstrap/app.php';
        // All of the framework's but HandleExceptions: errors are PHPUnit's here.
        $this->app->bootstrapWith([
            Bootstrap\LoadEnvironmentVariables::class,
            Bootstrap\LoadConfiguration::class,
            Bootstrap\RegisterFacades::class,
            Bootstrap\SetRequestForConsole::class,
            Bootstrap\RegisterProviders::class,
            Bootstrap\BootProviders::class,
        ]);
        $this->log = tempnam(sys_get_temp_dir(), 'log');
        $this->configure(['logging.channels.single.path' => $this->log]);
        $this->configure(['websocket.url' => getenv('SERVER_URL'), 'websocket.secret' => getenv('SERVER_SECRET')]);
        Cache::flush();
    }

    protected function tearDown(): void
    {
        unlink($this->log);
        $this->app->flush();
    }

    protected function configure(array $settings): void
    {
        config($settings);
    }

    /** What Laravel has logged in this test. */
    protected function logged(): string
    {
        return file_get_contents($this->log);
    }

    /** Sends a request through the whole of Laravel. */
    protected function request(string $method, string $uri, array $server = [], string $body = ''): Response
    {
        $server += ['CONTENT_TYPE' => 'application/json', 'HTTP_ACCEPT' => 'application/json'];

        return $this->app->make(Kernel::class)->handle(Request::create($uri, $method, [], [], [], $server, $body));
    }

    protected static function json(Response $response): array
    {
        return json_decode($response->getContent(), true);
    }

    /** An address where nothing listens. */
    protected static function nobody(): string
    {
        $server = stream_socket_server('tcp://127.0.0.1:0');
        $name = stream_socket_get_name($server, false);
        fclose($server);

        return "http://{$name}";
    }
}
