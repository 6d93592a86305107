// How the C allocator treats the memory of queries.
#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

enum Allocator {
    /// Blocks up to this size come from the heap instead of a mapping of their own: glibc's greatest threshold.
    private static let mappedAbove: Int32 = 32 << 20
    /// Free memory that the heap keeps for the next batch instead of giving it back to the system.
    private static let keptBytes: Int32 = 256 << 20

    /// Makes freed blocks of a few hundred KiB, as scans use them by the thousand, come back without page faults:
    /// half the CPU time of TPC-H Q6 over Parquet. Allocators without such a switch are left as they are.
    static func keepFreedMemory() {
        typealias Option = @convention(c) (Int32, Int32) -> Int32
        guard let symbol = dlsym(nil, "mallopt") else { return }
        let set = unsafeBitCast(symbol, to: Option.self)
        // M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h.
        _ = set(-3, mappedAbove)
        _ = set(-1, keptBytes)
    }
}
