// What kernels share: the frame that settles layouts and NULLs, and loops over one, two or three columns. Hot.
import Columns
import Diagnostics

/// Reads a flat or constant column by row.
struct Lane<T: BitwiseCopyable> {
    let base: UnsafePointer<T>
    /// 0 for constants, so that every row reads value 0.
    let mask: Int

    @inline(__always)
    init(_ column: Column, _ type: T.Type = T.self) {
        base = column.pointer(type)
        mask = column.layout == .constant ? 0 : -1
    }

    @inline(__always)
    subscript(row: Int) -> T { base[row & mask] }
}

/// Puts a kernel core, which sees flat and constant columns only, behind the general seam.
enum KernelFrame {
    /// Wraps a core: folds constants, answers NULL constants, runs over dictionaries once per entry.
    static func wrap(_ result: SQLType, isStrict: Bool, volatility: Volatility, _ core: @escaping Kernel) -> Kernel {
        if volatility == .volatile {
            return { (context, arguments, rows) throws(SQLError) in
                try core(context, arguments.map(spread), rows)
            }
        }
        return { (context, arguments, rows) throws(SQLError) in
            var (constants, coded) = (0, -1)
            for (index, argument) in arguments.enumerated() {
                switch argument.layout {
                case .flat: break
                case .constant:
                    constants += 1
                    if isStrict, argument.isNullConstant { return nullConstant(result, rows) }
                case .dictionary: coded = index
                }
            }
            if constants == arguments.count, constants > 0 {
                let one = try core(context, arguments.map { Flatten.flat(Column.constant($0, count: 1)) }, 1)
                return Column.constant(Flatten.flat(one), count: rows)
            }
            if coded >= 0 {
                if isStrict, constants == arguments.count - 1,
                    let column = overDictionary(result, context, arguments, coded, rows, core)
                {
                    return column
                }
                return try core(context, arguments.map(spread), rows)
            }
            return try core(context, arguments, rows)
        }
    }

    /// A column of NULLs.
    static func nullConstant(_ type: SQLType, _ rows: Int) -> Column {
        Column.constant(Scalar.null(type), count: rows)
    }

    private static func spread(_ column: Column) -> Column {
        column.layout == .dictionary ? Flatten.flat(column) : column
    }

    /// Runs the core on the dictionary's entries; nil when that does not pay or an entry fails, which no row may use.
    private static func overDictionary(
        _ result: SQLType, _ context: FunctionContext, _ arguments: [Column], _ coded: Int, _ rows: Int, _ core: Kernel
    ) -> Column? {
        let column = arguments[coded]
        guard let dictionary = column.dictionary, dictionary.count > 0, dictionary.count <= 2 * rows else { return nil }
        var inputs: [Column] = []
        for (index, argument) in arguments.enumerated() {
            inputs.append(index == coded ? dictionary : Column.constant(argument, count: dictionary.count))
        }
        guard let made = try? core(context, inputs, dictionary.count) else { return nil }
        let entries = Flatten.flat(made)
        let plain =
            entries.validity == nil
            ? entries
            : Column(
                entries.type, count: entries.count, values: entries.values, heaps: entries.heaps, child: entries.child,
                fields: entries.fields)
        let codes = Column(codes: column.values, count: rows, validity: column.validity, dictionary: plain)
        guard let entryBits = entries.validityWords else {
            return entries.physical == .bool ? Flatten.flat(codes) : codes
        }
        let flat = Flatten.flat(codes)
        let bits = Bitmap.make(rows, all: false)
        let (target, from) = (bits.pointer(UInt64.self), column.codes)
        let valid = column.validityWords
        for row in 0..<rows {
            if let valid, !Bitmap.get(valid, row) { continue }
            if Bitmap.get(entryBits, Int(from[row])) { Bitmap.set(target, row) }
        }
        return Column(
            flat.type, count: rows, values: flat.values, validity: bits, heaps: flat.heaps, child: flat.child,
            fields: flat.fields)
    }
}

/// Loops over flat or constant columns. Closures are inlined into the loop; none is called through a pointer.
enum Loops {
    /// The rows that are NULL in no argument.
    static func validity(_ arguments: [Column], _ rows: Int) -> Buffer? {
        var result: Buffer?
        for argument in arguments where argument.validity != nil {
            result = Bitmap.and(result, Flatten.validity(argument), rows)
        }
        return result
    }

    @inline(__always)
    static func unary<A: BitwiseCopyable, R: BitwiseCopyable>(
        _ a: Column, _ rows: Int, _ type: SQLType, _ body: (A) -> R
    ) -> Column {
        let out = Buffer(count: max(1, rows), of: R.self)
        let (x, o) = (Lane(a, A.self), out.pointer(R.self))
        if a.layout == .flat {
            let base = x.base
            for row in 0..<rows { o[row] = body(base[row]) }
        } else {
            for row in 0..<rows { o[row] = body(x[row]) }
        }
        return Column(type, count: rows, values: out, validity: Flatten.validity(a))
    }

    @inline(__always)
    static func binary<A: BitwiseCopyable, B: BitwiseCopyable, R: BitwiseCopyable>(
        _ a: Column, _ b: Column, _ rows: Int, _ type: SQLType, _ body: (A, B) -> R
    ) -> Column {
        let out = Buffer(count: max(1, rows), of: R.self)
        let (x, y, o) = (a.pointer(A.self), b.pointer(B.self), out.pointer(R.self))
        if b.layout == .constant {
            let fixed = y[0]
            let step = a.layout == .constant ? 0 : -1
            if step == 0 {
                let value = body(x[0], fixed)
                for row in 0..<rows { o[row] = value }
            } else {
                for row in 0..<rows { o[row] = body(x[row], fixed) }
            }
        } else if a.layout == .constant {
            let fixed = x[0]
            for row in 0..<rows { o[row] = body(fixed, y[row]) }
        } else {
            for row in 0..<rows { o[row] = body(x[row], y[row]) }
        }
        return Column(type, count: rows, values: out, validity: validity([a, b], rows))
    }

    /// Computes all rows without branches while `fast` collects suspicions in a mask; when there is one, computes the
    /// rows that are not NULL again with `slow`, which may throw.
    @inline(__always)
    static func checked<A: BitwiseCopyable, B: BitwiseCopyable, R: BitwiseCopyable, M: FixedWidthInteger>(
        _ a: Column, _ b: Column, _ rows: Int, _ type: SQLType, _ fast: (A, B, inout M) -> R,
        isSafe: (M) -> Bool, slow: (A, B) throws(SQLError) -> R
    ) throws(SQLError) -> Column {
        var mask: M = 0
        let made: Column = binary(a, b, rows, type) { (x: A, y: B) -> R in fast(x, y, &mask) }
        if isSafe(mask) { return made }
        let (x, y, o) = (Lane(a, A.self), Lane(b, B.self), made.values.pointer(R.self))
        let valid = made.validityWords
        for row in 0..<rows {
            if let valid, !Bitmap.get(valid, row) { continue }
            o[row] = try slow(x[row], y[row])
        }
        return made
    }

    /// One argument, a body that may throw: called only for rows that are not NULL.
    @inline(__always)
    static func unaryThrowing<A: BitwiseCopyable, R: BitwiseCopyable>(
        _ a: Column, _ rows: Int, _ type: SQLType, _ body: (A) throws(SQLError) -> R
    ) throws(SQLError) -> Column {
        let out = Buffer(count: max(1, rows), of: R.self)
        let bits = Flatten.validity(a)
        if bits != nil { out.fill(0) }
        let (x, o) = (Lane(a, A.self), out.pointer(R.self))
        let valid = bits.map { UnsafePointer($0.pointer(UInt64.self)) }
        for row in 0..<rows {
            if let valid, !Bitmap.get(valid, row) { continue }
            o[row] = try body(x[row])
        }
        return Column(type, count: rows, values: out, validity: bits)
    }

    /// Two arguments, a body that may throw: called only for rows that are not NULL.
    @inline(__always)
    static func binaryThrowing<A: BitwiseCopyable, B: BitwiseCopyable, R: BitwiseCopyable>(
        _ a: Column, _ b: Column, _ rows: Int, _ type: SQLType, _ body: (A, B) throws(SQLError) -> R
    ) throws(SQLError) -> Column {
        let out = Buffer(count: max(1, rows), of: R.self)
        let bits = validity([a, b], rows)
        if bits != nil { out.fill(0) }
        let (x, y, o) = (Lane(a, A.self), Lane(b, B.self), out.pointer(R.self))
        let valid = bits.map { UnsafePointer($0.pointer(UInt64.self)) }
        for row in 0..<rows {
            if let valid, !Bitmap.get(valid, row) { continue }
            o[row] = try body(x[row], y[row])
        }
        return Column(type, count: rows, values: out, validity: bits)
    }

    /// Calls the body with each row that is NULL in no argument.
    @inline(__always)
    static func eachRow(
        _ validity: Buffer?, _ rows: Int, _ body: (Int) throws(SQLError) -> Void
    ) throws(SQLError) {
        guard let validity else {
            for row in 0..<rows { try body(row) }
            return
        }
        let bits = validity.pointer(UInt64.self)
        for row in 0..<rows where Bitmap.get(bits, row) { try body(row) }
    }
}

/// Kernels from plain functions over values, for what is not worth a loop of its own.
enum Rowwise {
    @inline(__always)
    static func unary<A: BitwiseCopyable, R: BitwiseCopyable>(
        _ type: SQLType, _ body: @escaping @Sendable (A) throws(SQLError) -> R
    ) -> Kernel {
        { (_, arguments, rows) throws(SQLError) in
            try Loops.unaryThrowing(arguments[0], rows, type) { (x: A) throws(SQLError) -> R in try body(x) }
        }
    }

    @inline(__always)
    static func binary<A: BitwiseCopyable, B: BitwiseCopyable, R: BitwiseCopyable>(
        _ type: SQLType, _ body: @escaping @Sendable (A, B) throws(SQLError) -> R
    ) -> Kernel {
        { (_, arguments, rows) throws(SQLError) in
            try Loops.binaryThrowing(arguments[0], arguments[1], rows, type) {
                (x: A, y: B) throws(SQLError) -> R in try body(x, y)
            }
        }
    }

    /// A predicate or another byte-sized result over text.
    static func text<R: BitwiseCopyable>(
        _ type: SQLType, _ body: @escaping @Sendable (UnsafeRawBufferPointer) throws(SQLError) -> R
    ) -> Kernel {
        { (_, arguments, rows) throws(SQLError) in
            try Loops.unaryThrowing(arguments[0], rows, type) { (view: StringView) throws(SQLError) -> R in
                try view.read(body)
            }
        }
    }

    /// Any number of arguments, read through scalars: only for rare functions.
    static func scalars(
        _ type: SQLType, _ body: @escaping @Sendable (FunctionContext, [Scalar]) throws(SQLError) -> Scalar
    ) -> Kernel {
        { (context, arguments, rows) throws(SQLError) in
            let builder = ColumnBuilder(type, capacity: rows)
            for row in 0..<rows {
                var values: [Scalar] = []
                var hasNull = false
                for argument in arguments {
                    let value = argument.scalar(row)
                    hasNull = hasNull || value.isNull
                    values.append(value)
                }
                if hasNull { builder.appendNull() } else { builder.append(try body(context, values)) }
            }
            return builder.finish()
        }
    }
}

extension StringView {
    /// Lends the bytes to a body that may throw.
    @inline(__always)
    func read<R>(_ body: (UnsafeRawBufferPointer) throws(SQLError) -> R) throws(SQLError) -> R {
        if isInline {
            // On the stack, so that short strings cost no allocation.
            var copy = (head &>> 32 | tail &<< 32, tail &>> 32)
            let count = self.count
            let result: Result<R, SQLError> = withUnsafeBytes(of: &copy) { raw in
                do throws(SQLError) {
                    return .success(try body(UnsafeRawBufferPointer(rebasing: raw[0..<count])))
                } catch { return .failure(error) }
            }
            return try result.get()
        }
        return try body(UnsafeRawBufferPointer(start: address, count: count))
    }

    /// A part of the bytes; a long part points into the same heap.
    @inline(__always)
    func slice(_ start: Int, _ count: Int) -> StringView {
        if isInline {
            return withBytes { raw in
                count == 0
                    ? StringView(head: 0, tail: 0)
                    : StringView(raw.baseAddress.unsafelyUnwrapped + start, count)
            }
        }
        return StringView(address + start, count)
    }
}
