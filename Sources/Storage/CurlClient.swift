// HTTP by libcurl: one thread drives all transfers of a client; requests come from any thread, answers by callback.
// It knows nothing of S3: what a body is worth decides the request's `accept`, what a failure means the caller.

import CCurl
import Foundation
import Synchronization

/// Limits and waiting times of a client.
struct HTTPOptions: Sendable {
    var connectionsMax = 64
    var connectTimeoutMilliseconds = 5_000
    /// A transfer that moves no byte for this long has failed.
    var stallTimeoutSeconds = 30
    /// A whole request, body included.
    var requestTimeoutMilliseconds = 600_000
    /// Certificates to trust instead of the system's.
    var certificateFile: String?
    /// Fewer connections than `connectionsMax`, for as long as the server wants that.
    var connectionsAllowed: (@Sendable () -> Int)?
}

/// A client with its own thread and its own connections, kept alive between requests.
final class CurlClient: Sendable {
    private let loop: CurlLoop

    init(_ options: HTTPOptions) { loop = CurlLoop(options) }

    deinit { loop.stop() }

    /// Sends a request, at the earliest `delayMilliseconds` from now. `done` runs on the client's thread.
    func send(
        _ request: HTTPRequest, afterMilliseconds delayMilliseconds: Int = 0,
        then done: @escaping @Sendable (HTTPResponse) -> Void
    ) {
        loop.submit(Transfer(request, done), delayMilliseconds)
    }
}

/// The thread and what it owns. `inbox` is shared; everything else belongs to the thread.
private final class CurlLoop: @unchecked Sendable {
    /// Requests that may wait for a connection; more than this is a caller without bounds of its own.
    static let queuedMax = 1 << 18
    static let pollMillisecondsMax = 1_000
    /// How often transfers are looked through for those that nobody waits for any more, and for late ones.
    static let sweepMilliseconds: UInt64 = 200
    static let lateMilliseconds: UInt64 = 20

    private struct Inbox {
        var transfers: [(transfer: Transfer, due: UInt64)] = []
        var queued = 0
        var isStarted = false
        var isStopped = false
    }

    private let inbox = Mutex(Inbox())
    private let options: HTTPOptions
    private let multi: UnsafeMutableRawPointer?

    // The thread's own.
    private var waiting: [Transfer] = []
    private var waitingTaken = 0
    private var delayed: [(transfer: Transfer, due: UInt64)] = []
    private var active: [UnsafeMutableRawPointer: Transfer] = [:]
    private var swept: UInt64 = 0
    private var lookedForLate: UInt64 = 0
    private var isAnyWatched = false
    private var spare: [UnsafeMutableRawPointer] = []

    /// libcurl's global state, set up once.
    private static let isReady: Bool = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    init(_ options: HTTPOptions) {
        self.options = options
        multi = CurlLoop.isReady ? curl_multi_init() : nil
        if let multi {
            _ = apus_curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, options.connectionsMax)
        }
    }

    func submit(_ transfer: Transfer, _ delayMilliseconds: Int) {
        guard let multi else { return transfer.refuse("libcurl could not be set up") }
        let due = delayMilliseconds > 0 ? now() + UInt64(delayMilliseconds) : 0
        enum Step { case start, wake, refuse(String) }
        let step: Step = inbox.withLock { inbox in
            if inbox.isStopped { return .refuse("the client was shut down") }
            if inbox.queued >= CurlLoop.queuedMax { return .refuse("too many requests are waiting") }
            inbox.queued += 1
            inbox.transfers.append((transfer, due))
            if inbox.isStarted { return .wake }
            inbox.isStarted = true
            return .start
        }
        switch step {
        case .refuse(let why): transfer.refuse(why)
        case .wake: curl_multi_wakeup(multi)
        case .start:
            let thread = Thread { [self] in run() }
            thread.name = "storage-http"
            thread.start()
        }
    }

    func stop() {
        let wasStarted = inbox.withLock { inbox in
            inbox.isStopped = true
            return inbox.isStarted
        }
        guard let multi else { return }
        if wasStarted { curl_multi_wakeup(multi) } else { curl_multi_cleanup(multi) }
    }

    /// Runs until the client is gone and every request was answered.
    private func run() {
        guard let multi else { return }
        while true {
            let isStopped = takeInbox()
            startWaiting()
            var running: Int32 = 0
            curl_multi_perform(multi, &running)
            if finishDone() { continue }
            dropCancelled()
            tellLate()
            if isStopped, active.isEmpty, waitingTaken == waiting.count, delayed.isEmpty { break }
            curl_multi_poll(multi, nil, 0, pollMilliseconds(), nil)
        }
        for handle in spare { curl_easy_cleanup(handle) }
        curl_multi_cleanup(multi)
    }

    private func takeInbox() -> Bool {
        let (arrived, isStopped) = inbox.withLock { inbox in
            let arrived = inbox.transfers
            inbox.transfers.removeAll(keepingCapacity: true)
            return (arrived, inbox.isStopped)
        }
        for item in arrived {
            if item.due == 0 { waiting.append(item.transfer) } else { delayed.append(item) }
        }
        if !delayed.isEmpty {
            let time = now()
            waiting.append(contentsOf: delayed.filter { $0.due <= time }.map(\.transfer))
            delayed.removeAll { $0.due <= time }
        }
        return isStopped
    }

    private func startWaiting() {
        let most = max(1, min(options.connectionsMax, options.connectionsAllowed?() ?? .max))
        while waitingTaken < waiting.count, active.count < most {
            let transfer = waiting[waitingTaken]
            waitingTaken += 1
            inbox.withLock { $0.queued -= 1 }
            if transfer.isCancelled { transfer.refuse("the request was canceled") } else { start(transfer) }
        }
        if waitingTaken == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            waitingTaken = 0
        } else if waitingTaken >= 1024, waitingTaken * 2 >= waiting.count {
            waiting.removeFirst(waitingTaken)
            waitingTaken = 0
        }
    }

    private func start(_ transfer: Transfer) {
        guard let multi, let handle = spare.popLast() ?? curl_easy_init() else {
            return transfer.refuse("libcurl could not make a handle")
        }
        transfer.prepare(handle, options)
        active[handle] = transfer
        if transfer.isWatched { isAnyWatched = true }
        let code = curl_multi_add_handle(multi, handle)
        guard code == CURLM_OK else {
            active[handle] = nil
            transfer.release()
            curl_easy_cleanup(handle)
            return transfer.refuse(String(cString: curl_multi_strerror(code)))
        }
    }

    /// Answers the transfers that are done; returns whether there were any.
    private func finishDone() -> Bool {
        guard let multi else { return false }
        var wasAny = false
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle else { continue }
            let code = message.pointee.data.result
            curl_multi_remove_handle(multi, handle)
            guard let transfer = active.removeValue(forKey: handle) else { continue }
            wasAny = true
            let response = transfer.response(code)
            transfer.release()
            curl_easy_reset(handle)
            spare.append(handle)
            transfer.finish(response)
        }
        return wasAny
    }

    /// Ends the transfers that were given up: a server that does not answer must not keep their connections.
    private func dropCancelled() {
        guard let multi, !active.isEmpty else { return }
        let time = now()
        guard time >= swept + CurlLoop.sweepMilliseconds else { return }
        swept = time
        for (handle, transfer) in active where transfer.isCancelled {
            curl_multi_remove_handle(multi, handle)
            active[handle] = nil
            transfer.release()
            curl_easy_reset(handle)
            spare.append(handle)
            transfer.refuse("the request was canceled")
        }
    }

    /// Tells those who may want to send late requests again.
    private func tellLate() {
        guard isAnyWatched else { return }
        let time = now()
        guard time >= lookedForLate + CurlLoop.lateMilliseconds else { return }
        lookedForLate = time
        isAnyWatched = false
        for transfer in active.values where transfer.isWatched {
            transfer.tellLate(time)
            if transfer.isWatched { isAnyWatched = true }
        }
    }

    private func pollMilliseconds() -> Int32 {
        let most = isAnyWatched ? CurlLoop.lateMilliseconds : UInt64(CurlLoop.pollMillisecondsMax)
        guard let due = delayed.lazy.map(\.due).min() else { return Int32(most) }
        let time = now()
        return due <= time ? 0 : Int32(min(due - time, most))
    }

    private func now() -> UInt64 { Transfer.now() }
}
