<?php

namespace App\Http\Middleware;

use App\Services\WebSocketSecret;
use Closure;
use Illuminate\Http\JsonResponse;
use Illuminate\Http\Request;

/**
 * Lets a request pass that the socket server signed (src/onlycare_socket/signing.py), and nothing else.
 *
 * Signed are the time, the method, the path with its query, and the body, each on its own line, with HMAC-SHA256 and
 * the shared secret. Without a secret everything is refused. A request that somebody recorded can be repeated for five
 * minutes, so what is behind this must do no harm twice.
 */
class VerifySocketServerSignature
{
    public const TIMESTAMP = 'X-OnlyCare-Timestamp';
    public const SIGNATURE = 'X-OnlyCare-Signature';

    /** Seconds that the two clocks and the way may take. */
    public const WINDOW = 300;

    /** @return mixed */
    public function handle(Request $request, Closure $next)
    {
        $secrets = WebSocketSecret::configured();
        if ($secrets->toSend() === null) {
            return $this->refuse(503, 'SECRET_MISSING', "WEBSOCKET_SECRET of Laravel {$secrets->problem()}");
        }
        if (! $this->isSigned($request, $secrets->fit())) {
            return $this->refuse(401, 'SIGNATURE_WRONG', 'The request is not signed with the secret of Laravel');
        }
        $age = time() - (int) $request->headers->get(self::TIMESTAMP);
        if (abs($age) > self::WINDOW) {
            // Only who knows the secret gets here, and may be told what the clocks say.
            return $this->refuse(401, 'TIMESTAMP_WRONG', "The clocks differ, or the request took long: {$age} s");
        }

        return $next($request);
    }

    /** @param string[] $secrets each is compared, so that the time says nothing of which one was near */
    private function isSigned(Request $request, array $secrets): bool
    {
        $timestamp = (string) $request->headers->get(self::TIMESTAMP);
        $given = (string) $request->headers->get(self::SIGNATURE);
        $signed = "{$timestamp}\n{$request->getRealMethod()}\n{$request->getRequestUri()}\n{$request->getContent()}";
        $matches = array_map(
            fn (string $secret) => hash_equals('sha256='.hash_hmac('sha256', $signed, $secret), $given),
            $secrets
        );

        return in_array(true, $matches, true);
    }

    private function refuse(int $status, string $code, string $message): JsonResponse
    {
        return new JsonResponse(['success' => false, 'error' => ['code' => $code, 'message' => $message]], $status);
    }
}
