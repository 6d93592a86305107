// A line on a terminal that tells how far a statement has read, until its first rows come.
import Coordinator
import Foundation
import Synchronization

/// Draws on standard error when that is a terminal; does nothing otherwise.
final class ProgressBar: Sendable {
    private let isEnded = Mutex(false)

    /// A statement that is faster shows no bar.
    private static let delayMilliseconds = 400
    private static let stepMilliseconds = 100
    private static let cells = 40

    init(_ stream: any ResultStream) {
        guard isatty(STDERR_FILENO) == 1 else { return }
        let start = ContinuousClock.now
        Task { [self] in
            try? await Task.sleep(for: .milliseconds(ProgressBar.delayMilliseconds))
            while isEnded.withLock({ isEnded in
                // Drawn under the lock: no bar after the rows.
                if !isEnded { ProgressBar.draw(stream.progress, ContinuousClock.now - start) }
                return !isEnded
            }) {
                try? await Task.sleep(for: .milliseconds(ProgressBar.stepMilliseconds))
            }
        }
    }

    /// Removes the bar; later calls do nothing.
    func end() {
        isEnded.withLock { isEnded in
            guard !isEnded else { return }
            isEnded = true
            if isatty(STDERR_FILENO) == 1 { ProgressBar.write("\r\u{1B}[K") }
        }
    }

    private static func draw(_ progress: Double?, _ time: Duration) {
        let seconds = time.formatted(.units(allowed: [.minutes, .seconds], width: .narrow))
        guard let progress else { return write("\r\u{1B}[K\(seconds)") }
        let full = Int(progress * Double(cells))
        let bar = String(repeating: "#", count: full) + String(repeating: ".", count: cells - full)
        write("\r\u{1B}[K[\(bar)] \(Int(progress * 100)) % read, \(seconds)")
    }

    private static func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
