// What the answers of one server so far say about it: how many requests it takes at a time, whether sending again still
// makes sense, and from when on an answer is late.

import Foundation
import Synchronization

/// Shared by all requests to one server. Any thread.
final class ServerHealth: Sendable {
    /// What may be spent on sending again: so many attempts in vain, then requests fail at their first failure. What an
    /// attempt cost comes back when its request succeeds after all.
    static let retriesMax = 2_000.0
    /// What comes back for a success, and with every second.
    static let refillOfSuccess = 0.2
    static let refillPerSecond = 4.0
    /// A throttling server still gets so many requests at a time.
    static let connectionsMin = 4
    /// Answers that tell of the same overload count once.
    static let throttleNanoseconds: UInt64 = 200_000_000
    /// Second requests for late answers: one for so many answers, and so many in store.
    static let hedgeShare = 0.05
    static let hedgesMax = 16.0
    /// The share of answers that are not late, and how much later than those a late one is.
    static let quantile = 0.95
    static let slowFactor = 3.0
    /// Answers needed before the times seen count, and what counts until then.
    static let samplesMin = 64
    static let slowMillisecondsAtFirst = 2_000.0
    static let slowMilliseconds = 100.0...10_000.0

    private struct State {
        var retries = ServerHealth.retriesMax
        var refilled: UInt64 = 0
        var connections: Double
        var throttled: UInt64 = 0
        var hedges = 4.0
        var samples = 0
        /// Estimate of the quantile, in milliseconds.
        var usual = 0.0
    }
    private let state: Mutex<State>
    private let connectionsMax: Int
    /// Read by the client's thread.
    private let allowed: Atomic<Int>

    init(connectionsMax: Int) {
        self.connectionsMax = connectionsMax
        state = Mutex(State(connections: Double(connectionsMax)))
        allowed = Atomic(connectionsMax)
    }

    /// Requests that may be on their way at one time.
    var connections: Int { allowed.load(ordering: .relaxed) }

    /// Takes what one more attempt costs; false when too many were in vain.
    func mayRetry(_ time: UInt64 = ServerHealth.now()) -> Bool {
        state.withLock { state in
            if state.refilled > 0 {
                let seconds = Double(time &- state.refilled) / 1e9
                state.retries = min(ServerHealth.retriesMax, state.retries + seconds * ServerHealth.refillPerSecond)
            }
            state.refilled = time
            guard state.retries >= 1 else { return false }
            state.retries -= 1
            return true
        }
    }

    /// A request that was sent again so many times succeeded.
    func succeeded(retries: Int) {
        state.withLock { state in
            let back = ServerHealth.refillOfSuccess + Double(retries)
            state.retries = min(ServerHealth.retriesMax, state.retries + back)
            guard state.connections < Double(connectionsMax) else { return }
            state.connections = min(Double(connectionsMax), state.connections + 1 / state.connections)
            allowed.store(Int(state.connections), ordering: .relaxed)
        }
    }

    /// The server asked for fewer requests.
    func throttled(_ time: UInt64 = ServerHealth.now()) {
        state.withLock { state in
            guard time &- state.throttled >= ServerHealth.throttleNanoseconds else { return }
            state.throttled = time
            let least = Double(min(ServerHealth.connectionsMin, connectionsMax))
            state.connections = max(least, state.connections * 0.7)
            allowed.store(Int(state.connections), ordering: .relaxed)
        }
    }

    // MARK: - Late answers

    /// How long a read took.
    func took(milliseconds: Double) {
        state.withLock { state in
            state.samples += 1
            state.hedges = min(ServerHealth.hedgesMax, state.hedges + ServerHealth.hedgeShare)
            if state.samples == 1 { state.usual = milliseconds }
            // Each sample moves the estimate: up rarely and far, down often and little.
            let step = max(1, state.usual * 0.05)
            if milliseconds > state.usual {
                state.usual += step * ServerHealth.quantile
            } else {
                state.usual = max(0, state.usual - step * (1 - ServerHealth.quantile))
            }
        }
    }

    /// From when on an answer is late.
    var slowMilliseconds: Int {
        state.withLock { state in
            guard state.samples >= ServerHealth.samplesMin else { return Int(ServerHealth.slowMillisecondsAtFirst) }
            let (low, high) = (ServerHealth.slowMilliseconds.lowerBound, ServerHealth.slowMilliseconds.upperBound)
            return Int(min(high, max(low, state.usual * ServerHealth.slowFactor)))
        }
    }

    /// Takes what a second request costs.
    func mayHedge() -> Bool {
        state.withLock { state in
            guard state.hedges >= 1 else { return false }
            state.hedges -= 1
            return true
        }
    }

    static func now() -> UInt64 { DispatchTime.now().uptimeNanoseconds }
}
