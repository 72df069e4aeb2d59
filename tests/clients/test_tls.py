"""`tls_echo`, as openssl's clients and servers and Python's ssl module see it."""

import ssl
import subprocess
import time

import openssl
import server as examples
from curl import answer_of, curl
from openssl import certificates, client
from server import example


def test_openssl_gets_its_lines_back_with_the_protocol_that_it_has_offered():
    with certificates() as made, example("tls_echo", *made.issue("server")) as server:
        with client(server.port, *trusting(made), "-alpn", "echo") as talking:
            talking.say("hello, openssl")
            talking.hear("hello, openssl")
            said = talking.finish()
        assert "Verification: OK" in said, said
        assert "New, TLSv1.3, Cipher is TLS_" in said, said
        assert "ALPN protocol: echo" in said, said
        assert "TLS 1.3 with TLS_" in server.said()
        wait_for(lambda: "has said all" in server.said(), "the client's close_notify")


def test_openssl_speaks_tls_1_2():
    with certificates() as made, example("tls_echo", *made.issue("server")) as server:
        with client(server.port, *trusting(made), "-tls1_2") as talking:
            talking.say("an older one")
            talking.hear("an older one")
            said = talking.finish()
        assert "New, TLSv1.2, Cipher is ECDHE-ECDSA-" in said, said


def test_each_cipher_suite_of_tls_1_3_is_spoken():
    suites = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
    with certificates() as made, example("tls_echo", *made.issue("server")) as server:
        for suite in suites:
            with client(server.port, *trusting(made), "-ciphersuites", suite) as talking:
                talking.say(suite.lower())
                talking.hear(suite.lower())
                assert f"Cipher is {suite}" in talking.finish()


def test_a_certificate_with_an_rsa_key_is_as_good():
    with certificates() as made:
        with example("tls_echo", *made.issue("server", key="rsa:2048")) as server:
            for version in "-tls1_2", "-tls1_3":
                with client(server.port, *trusting(made), version) as talking:
                    talking.say("with RSA")
                    talking.hear("with RSA")
                    assert "Verification: OK" in talking.finish()


def test_versions_before_tls_1_2_are_refused():
    with certificates() as made, example("tls_echo", *made.issue("server")) as server:
        done = openssl.run(
            *("s_client", "-connect", f"127.0.0.1:{server.port}", "-tls1_1"),
            *("-cipher", "DEFAULT:@SECLEVEL=0"),
        )
        assert done.returncode != 0
        assert b"SSL alert number" in done.stdout, done.stdout
        assert "too little in common" in server.said()


def test_another_protocol_only_is_refused():
    with certificates() as made, example("tls_echo", *made.issue("server")) as server:
        done = openssl.run("s_client", "-connect", f"127.0.0.1:{server.port}", "-alpn", "h2")
        assert done.returncode != 0
        assert b"no application protocol" in done.stdout, done.stdout


def test_openssl_resumes_its_session_in_both_versions():
    with certificates() as made, example("tls_echo", *made.issue("server")) as server:
        for version, name in ("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3"):
            session = made.folder / f"session{version}"
            for file, expected in ("-sess_out", "New"), ("-sess_in", "Reused"):
                with client(server.port, *trusting(made), version, file, session) as talking:
                    talking.say("again?")
                    # With it the ticket has come.
                    talking.hear("again?")
                    said = talking.finish()
                assert f"{expected}, {name}" in said, said
        wait_for(lambda: server.said().count(", resumed,") == 2, "two resumed sessions")


def test_openssl_reconnects_five_times():
    with certificates() as made, example("tls_echo", *made.issue("server")) as server:
        said = openssl.openssl(
            *("s_client", "-connect", f"127.0.0.1:{server.port}", *trusting(made)),
            *("-tls1_2", "-reconnect"),
        )
        assert said.count("Reused, TLSv1.2") == 5, said


def test_new_keys_are_taken_and_answered():
    with certificates() as made, example("tls_echo", *made.issue("server")) as server:
        with client(server.port, *trusting(made), "-tls1_3") as talking:
            # The letters are openssl's commands: update, and update and ask for the same.
            for command in "kKK":
                talking.say(f"before {command}")
                talking.hear(f"before {command}")
                talking.say(command)
                talking.hear("KEYUPDATE")
                talking.say(f"after {command}")
                talking.hear(f"after {command}")


def test_a_client_has_to_show_a_certificate_where_that_is_asked():
    with certificates() as made:
        own = made.issue("server")
        certificate, key = made.issue("client", subject="ann")
        with example("tls_echo", *own, made.authority) as server:
            for version in "-tls1_2", "-tls1_3":
                shown = "-cert", certificate, "-key", key
                with client(server.port, *trusting(made), version, *shown) as talking:
                    talking.say("it is me")
                    talking.hear("it is me")
                with client(server.port, *trusting(made), version) as talking:
                    talking.hear("alert")
            wait_for(
                lambda: server.said().count("has shown no certificate") == 2, "two refusals"
            )


def test_a_client_that_does_not_know_the_authority_says_so():
    with certificates() as made, example("tls_echo", *made.issue("server")) as server:
        with certificates() as others:
            arguments = "-CAfile", others.authority, "-verify_return_error"
            with client(server.port, *arguments) as talking:
                said = talking.finish()
        assert "verify error" in said, said
        wait_for(lambda: "unknown_ca (48)" in server.said(), "the client's alert")


def test_plain_http_is_answered_with_a_400():
    with certificates() as made, example("tls_echo", *made.issue("server")) as server:
        answer = answer_of(curl("--include", server.http()).stdout)
        assert answer.status == 400
        assert b"speaks TLS" in answer.content
        wait_for(lambda: "HTTP without TLS" in server.said(), "a line about it")


def test_garbage_is_refused_and_the_server_goes_on():
    with certificates() as made, example("tls_echo", *made.issue("server")) as server:
        for garbage in b"\0" * 100, b"SSH-2.0-x\r\n", bytes(range(255, 0, -1)):
            with server.connect() as bare:
                bare.sendall(garbage)
                # An alert, and the end.
                assert examples.read_to_end(bare)[:3] == b"\x15\x03\x03"
        with python(server, made) as talking:
            talking.sendall(b"still there\n")
            assert talking.recv(100) == b"still there\n"


def test_the_end_is_said_both_ways():
    with certificates() as made, example("tls_echo", *made.issue("server")) as server:
        with python(server, made) as talking:
            talking.sendall(b"the last\n")
            assert talking.recv(100) == b"the last\n"
            # Sends close_notify, and fails unless one comes back.
            talking.unwrap()
        wait_for(lambda: "has said all" in server.said(), "its end")


def test_an_end_that_is_not_said_is_told_apart():
    with certificates() as made, example("tls_echo", *made.issue("server")) as server:
        with python(server, made) as talking:
            talking.sendall(b"half a li")
        wait_for(lambda: "without close_notify" in server.said(), "the truncation")


def test_megabytes_come_back_as_they_were():
    line = b"x" * 60_000 + b"\n"
    with certificates() as made, example("tls_echo", *made.issue("server")) as server:
        with python(server, made) as talking:
            for _ in range(50):
                talking.sendall(line)
                back = b""
                while len(back) < len(line):
                    back += talking.recv(100_000)
                assert back == line


def test_certificates_are_replaced_while_a_client_is_connected():
    with certificates() as made, example("tls_echo", *made.issue("server")) as server:
        with python(server, made) as before:
            first = before.getpeercert(binary_form=True)
            made.issue("server")
            wait_for(lambda: "were read again" in server.said(), "the new certificate")
            with python(server, made) as after:
                assert after.getpeercert(binary_form=True) != first
                for talking in before, after:
                    talking.sendall(b"here\n")
                    assert talking.recv(100) == b"here\n"


def test_certificates_that_do_not_belong_together_replace_nothing():
    with certificates() as made, example("tls_echo", *made.issue("server")) as server:
        made.issue("other")
        (made.folder / "other.key").replace(made.folder / "server.key")
        wait_for(lambda: "the old certificates stay" in server.said(), "a refusal")
        with python(server, made) as talking:
            talking.sendall(b"here\n")
            assert talking.recv(100) == b"here\n"


def test_our_client_talks_to_openssl_s_server():
    with certificates() as made:
        certificate, key = made.issue("server")
        shown = made.issue("client", subject="ann")
        base = "-cert", certificate, "-key", key, "-rev", "-alpn", "echo"
        for more, own in [
            (("-tls1_2",), ()),
            (("-tls1_3",), ()),
            (("-Verify", "1", "-CAfile", made.authority, "-verify_return_error"), shown),
        ]:
            with openssl.server(*base, *more) as port:
                said = our_client(port, made.authority, *own)
                assert said.returncode == 0, said.stderr
                assert b"olleh" in said.stdout, said.stdout
                assert b"agreed upon echo" in said.stdout


def test_our_client_refuses_a_server_that_it_does_not_know():
    with certificates() as made, certificates() as others:
        certificate, key = made.issue("server")
        with openssl.server("-cert", certificate, "-key", key, "-rev") as port:
            said = our_client(port, others.authority)
            assert said.returncode != 0
            assert b"from an unknown authority" in said.stderr, said.stderr
        certificate, key = made.issue("elsewhere", subject="elsewhere.example")
        with openssl.server("-cert", certificate, "-key", key, "-rev") as port:
            said = our_client(port, made.authority)
            assert said.returncode != 0
            assert b"for another name" in said.stderr, said.stderr


def trusting(made):
    return "-CAfile", made.authority, "-verify_return_error", "-servername", "localhost"


def python(server, made):
    """Python's own client, with its hands shaken."""
    context = ssl.create_default_context(cafile=made.authority)
    return context.wrap_socket(server.connect(), server_hostname="localhost")


def our_client(port, *arguments):
    command = [examples.binaries / "tls_echo", "connect", "localhost", port, *arguments]
    return subprocess.run(
        list(map(str, command)), capture_output=True, timeout=openssl.SECONDS_MAX, check=False
    )


def wait_for(condition, what):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)
