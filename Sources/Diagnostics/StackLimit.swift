// How much stack the running thread has left: what recursive code asks before it goes deeper.
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The point of the running thread's stack that recursion must not pass. Valid on the thread that made it.
public struct StackLimit: Sendable {
    private let lowest: UInt

    /// Bytes that stay free for what recursion calls on its way and for releasing what it built.
    public static let reserve: UInt = 256 << 10
    /// Assumed when the system does not tell: half of the smallest default of a thread.
    private static let assumed: UInt = 256 << 10

    #if canImport(Glibc) || canImport(Musl)
        private typealias AttributesOf = @convention(c) (pthread_t, UnsafeMutablePointer<pthread_attr_t>) -> CInt
        /// pthread_getattr_np: the headers hide it from Swift, the library has it.
        private static let attributesOf = dlsym(nil, "pthread_getattr_np").map {
            unsafeBitCast($0, to: AttributesOf.self)
        }
    #endif

    /// Asks the system for the bounds of the running thread's stack.
    public init() {
        let here = StackLimit.here()
        var base: UInt?
        #if canImport(Glibc) || canImport(Musl)
            var attributes = pthread_attr_t()
            if let attributesOf = StackLimit.attributesOf, attributesOf(pthread_self(), &attributes) == 0 {
                var address: UnsafeMutableRawPointer?
                var size = 0
                if pthread_attr_getstack(&attributes, &address, &size) == 0, let address {
                    base = UInt(bitPattern: address)
                }
                pthread_attr_destroy(&attributes)
            }
        #else
            let thread = pthread_self()
            base = UInt(bitPattern: pthread_get_stackaddr_np(thread)) - UInt(pthread_get_stacksize_np(thread))
        #endif
        guard let base, base < here else {
            lowest = here > StackLimit.assumed ? here - StackLimit.assumed : 0
            return
        }
        // A stack too small for the reserve may be used by half.
        lowest = min(base + StackLimit.reserve, base + (here - base) / 2)
    }

    /// Whether recursion must end here.
    public var isReached: Bool { StackLimit.here() < lowest }

    /// Roughly the stack pointer.
    @inline(never)
    private static func here() -> UInt {
        var local: UInt8 = 0
        return withUnsafeMutablePointer(to: &local) { UInt(bitPattern: $0) }
    }
}
