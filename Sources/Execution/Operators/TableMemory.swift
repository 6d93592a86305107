// Zeroed memory of hash tables: big ones lie on huge pages, which saves most TLB misses of random probes.
import Diagnostics
import Glibc

/// Memory that starts as zeros.
final class TableMemory: @unchecked Sendable {
    // Sendable: written by one thread at a time, then only read.

    let base: UnsafeMutableRawPointer
    let bytes: Int
    private let isMapped: Bool

    /// From here on memory is mapped in huge pages.
    private static let mappedMin = 4 << 20
    private static let pageBytes = 2 << 20

    /// Allocates and accounts for the bytes.
    init(bytes: Int, account: MemoryAccount) throws(SQLError) {
        let size = max(64, bytes)
        try account.add(Int64(size))
        if size >= TableMemory.mappedMin {
            let rounded = (size + TableMemory.pageBytes - 1) / TableMemory.pageBytes * TableMemory.pageBytes
            let mapped = mmap(nil, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            if let mapped, mapped != MAP_FAILED {
                madvise(mapped, rounded, MADV_HUGEPAGE)
                base = mapped
                self.bytes = rounded
                isMapped = true
                return
            }
        }
        base = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
        memset(base, 0, size)
        self.bytes = size
        isMapped = false
    }

    deinit {
        if isMapped { munmap(base, bytes) } else { base.deallocate() }
    }

    @inline(__always)
    func pointer<T>(_ type: T.Type) -> UnsafeMutablePointer<T> { base.assumingMemoryBound(to: type) }
}
