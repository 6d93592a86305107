// moto's S3 on loopback, for as long as the test process lives.
import Foundation
import Glibc

/// An S3 server that takes any credentials.
public final class MotoServer: Sendable {
    /// Nil, with a printed reason, where moto is not installed.
    public static let shared: MotoServer? = MotoServer()

    public let port: Int
    /// The server ends when this pipe closes, even if the tests crash.
    private let lifeline = Pipe()

    private init?() {
        port = Int.random(in: 30_000..<60_000)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = [
            "-c",
            "command -v moto_server >/dev/null && moto_server --help >/dev/null 2>&1 || exit 9; "
                + "moto_server -H 127.0.0.1 -p \(port) >/dev/null 2>&1 & read -r line; kill $!",
        ]
        process.standardInput = lifeline
        guard (try? process.run()) != nil else { return nil }
        for _ in 0..<300 {
            if !process.isRunning {
                print("skipped: moto_server is not installed (pip install 'moto[server]')")
                return nil
            }
            if let connection = Loopback.connect(port: port) {
                close(connection)
                return
            }
            Thread.sleep(forTimeInterval: 0.1)
        }
        print("skipped: moto_server does not answer on port \(port)")
        return nil
    }

    public var endpoint: String { "http://127.0.0.1:\(port)" }

    /// Makes a bucket; one that exists stays.
    public func makeBucket(_ name: String) {
        guard let connection = Loopback.connect(port: port) else { return }
        defer { close(connection) }
        let authorization = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request"
        let head = "PUT /\(name) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nAuthorization: \(authorization)\r\n"
        guard Loopback.send(Array((head + "Content-Length: 0\r\nConnection: close\r\n\r\n").utf8)[...], to: connection)
        else { return }
        while !Loopback.receive(from: connection).isEmpty {}
    }
}
