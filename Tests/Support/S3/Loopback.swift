// Sockets of the test servers.
import Foundation
import Glibc

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

    /// A socket that listens on a free port, and that port.
    static func listening() -> (socket: Int32, port: Int)? {
        let handle = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard handle >= 0 else { return nil }
        guard with(address(port: 0), { bind(handle, $0, $1) }) == 0, listen(handle, waitingMax) == 0 else {
            close(handle)
            return nil
        }
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(handle, $0, &length) }
        }
        return (handle, Int(UInt16(bigEndian: address.sin_port)))
    }

    /// Serves each connection on a thread of its own, until the socket is shut down.
    static func serveEach(of listener: Int32, _ serve: @escaping @Sendable (Int32) -> Void) {
        Thread {
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { return }
                Thread { serve(client) }.start()
            }
        }.start()
    }

    private static let waitingMax: Int32 = 256

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
