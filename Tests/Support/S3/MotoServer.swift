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

/// Plain sockets to and on this machine.
enum Loopback {
    static func address(port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = UInt16(port).bigEndian
        return address
    }

    /// Calls a socket function with an address.
    static func with(_ address: sockaddr_in, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                call($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    static func connect(port: Int) -> Int32? {
        let handle = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard handle >= 0 else { return nil }
        if with(address(port: port), { Glibc.connect(handle, $0, $1) }) == 0 { return handle }
        close(handle)
        return nil
    }

    static func send(_ bytes: ArraySlice<UInt8>, to connection: Int32) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard sent > 0 else { return false }
            rest = rest.dropFirst(sent)
        }
        return true
    }

    /// Empty at the end.
    static func receive(from connection: Int32) -> [UInt8] {
        var part = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(connection, &part, part.count, 0)
        return count > 0 ? Array(part[..<count]) : []
    }
}
