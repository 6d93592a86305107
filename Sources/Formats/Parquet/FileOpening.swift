// The way from a file whose footer is not known yet to a reader of it, walked by a task or by the thread that waits.
public import Diagnostics
import Foundation
public import Storage

/// Opens one file of a scan: ahead, by a task, or when the first rows are wanted.
public final class FileOpening<Source>: @unchecked Sendable {
    // Sendable: the closures and the reader are used by one side at a time, handed over under the lock.

    /// Where the file is, and what is known of it.
    public struct File: Sendable {
        public var path: ObjectPath
        public var info: ObjectInfo?
        public var store: any ObjectStore
        public var footers: FooterCache?
        /// Whether its footer is kept only where no other has to go for it.
        public var onlyIfRoom = false
        public init(path: ObjectPath, info: ObjectInfo?, store: any ObjectStore, footers: FooterCache?) {
            self.path = path
            self.info = info
            self.store = store
            self.footers = footers
        }
    }

    private let file: File
    private let stop: StopSignal?
    private let isRuledOut: () -> Bool
    private let prepare: (FileFooter, StoreMetrics) throws(SQLError) -> Source?
    private let condition = NSCondition()
    private var isStarted = false
    /// Nil inside: the file has no rows that matter.
    private var result: Result<Source?, SQLError>?
    private var task: Task<Void, Never>?
    private var watch: StopWatch?

    /// `isRuledOut`: asked before anything is read. `prepare` makes the reader from the footer and what reading that cost;
    /// nil when no row group matches. `stop` ends the wait.
    public init(
        _ file: File, stop: StopSignal?, isRuledOut: @escaping () -> Bool,
        prepare: @escaping (FileFooter, StoreMetrics) throws(SQLError) -> Source?
    ) {
        self.file = file
        self.stop = stop
        self.isRuledOut = isRuledOut
        self.prepare = prepare
    }

    /// Reads the footer, and then starts what it asks for, without waiting.
    public func start() {
        isStarted = true
        watch = stop?.watch { [weak self] error in self?.finish(.failure(error)) }
        task = Task.detached { [self] in
            if Task.isCancelled { return }
            let asked = StoreMetrics()
            let made: Result<Source?, SQLError>
            do throws(SQLError) {
                if isRuledOut() { return finish(.success(nil)) }
                let footer = try await ParquetFile.footer(
                    of: file.path, in: file.store, info: file.info, cache: file.footers, onlyIfRoom: file.onlyIfRoom,
                    metrics: asked)
                made = Task.isCancelled ? .success(nil) : .success(try prepare(footer, asked))
            } catch {
                made = .failure(error)
            }
            finish(made)
        }
    }

    public func cancel() { task?.cancel() }

    /// Returns the reader, nil when there is nothing to read. Blocks.
    public func wait() throws(SQLError) -> Source? {
        if !isStarted {
            if isRuledOut() { return nil }
            let asked = StoreMetrics()
            let footer = try ParquetFile.footerBlocking(
                of: file.path, in: file.store, info: file.info, cache: file.footers, onlyIfRoom: file.onlyIfRoom,
                metrics: asked)
            return try prepare(footer, asked)
        }
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let result { return try result.get() }
            condition.wait()
        }
    }

    /// The first result counts.
    private func finish(_ made: Result<Source?, SQLError>) {
        condition.lock()
        if result == nil { result = made }
        condition.broadcast()
        condition.unlock()
    }
}
