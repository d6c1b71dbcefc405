"""The signature that tells the backend who asks: the same bytes as the middleware in laravel/ expects."""

from onlycare_socket.signing import SIGNATURE, TIMESTAMP, signed_headers


def test_the_signature_is_the_one_that_openssl_makes() -> None:
    # As made by: printf '1700000000\nPOST\n/api/websocket/check?x=1\n{"a":"\xc3\xa9"}' |
    #   openssl dgst -sha256 -hmac the-secret-of-both
    headers = signed_headers(
        "the-secret-of-both", "post", "/api/websocket/check?x=1", '{"a":"é"}'.encode(), now=1_700_000_000
    )
    assert headers == {
        TIMESTAMP: "1700000000",
        SIGNATURE: "sha256=2e3f8fe5cf6cc6311d594d7f8e9cbcca76db519eea2e669a29a4f420c2ade8ad",
    }
