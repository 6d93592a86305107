// Casts of catalog types: names to numbers and back through the statement's view of the catalog, vectors to arrays.
import Columns
import Diagnostics

enum CastSystem {
    private static func facts(_ context: FunctionContext) throws(SQLError) -> any SystemFacts {
        guard let facts = context.system else {
            throw SQLError(.featureNotSupported, "the system catalog cannot be asked here")
        }
        return facts
    }

    /// `'t'::regclass`: a number, or a name that is looked up.
    static func named(_ type: SystemType) -> Kernel {
        { (context, a, rows) throws(SQLError) in
            let builder = ColumnBuilder(.system(type), capacity: rows)
            for row in 0..<rows {
                guard case .string(let text) = a[0].scalar(row).value else {
                    builder.appendNull()
                    continue
                }
                if let first = text.utf8.first, first >= 48, first <= 57 {
                    builder.append(try SystemText.oid(text, type))
                } else if text == "-" {
                    builder.append(Int64(0))
                } else {
                    builder.append(try facts(context).oid(of: type, named: text))
                }
            }
            return builder.finish()
        }
    }

    /// The text of references.
    static func names(of type: SystemType) -> Kernel {
        { (context, a, rows) throws(SQLError) in
            let builder = ColumnBuilder(.text, capacity: rows)
            for row in 0..<rows {
                guard case .int(let oid) = a[0].scalar(row).value else {
                    builder.appendNull()
                    continue
                }
                builder.append(text(of: type, oid, context))
            }
            return builder.finish()
        }
    }

    private static func text(of type: SystemType, _ oid: Int64, _ context: FunctionContext) -> String {
        oid == 0 ? "-" : context.system?.text(of: type, oid) ?? String(oid)
    }

    /// `{a,b}` of an array of references.
    static func arrayText(of type: SystemType) -> Kernel {
        { (context, a, rows) throws(SQLError) in
            let builder = ColumnBuilder(.text, capacity: rows)
            for row in 0..<rows {
                guard case .array(let items) = a[0].scalar(row).value else {
                    builder.appendNull()
                    continue
                }
                var named: [Scalar] = []
                for item in items {
                    guard case .int(let oid) = item.value else {
                        named.append(.null(.text))
                        continue
                    }
                    named.append(.text(text(of: type, oid, context)))
                }
                builder.append(Scalar(.array(.text), .array(named)).outputText() ?? "{}")
            }
            return builder.finish()
        }
    }

    /// `int2vector` as `int2[]`.
    static func vector(_ type: SystemType) -> Kernel {
        let element: SQLType = type == .int2vector ? .int2 : .system(.oid)
        return { (_, a, rows) throws(SQLError) in
            let builder = ColumnBuilder(.array(element), capacity: rows)
            for row in 0..<rows {
                guard case .string(let text) = a[0].scalar(row).value else {
                    builder.appendNull()
                    continue
                }
                let numbers = text.split(separator: " ").compactMap { Int64($0) }
                builder.append(Scalar(.array(element), .array(numbers.map { Scalar(element, .int($0)) })))
            }
            return builder.finish()
        }
    }

    /// Casts between numbers of the catalog and integers.
    static func numbers(_ from: SQLType, _ to: SQLType) -> Kernel? {
        switch (from, to) {
        case (.system(.char), .int4), (.int4, .system(.char)): return nil
        case (.system(let a), .system(let b)) where a.isNumber && b.isNumber: return retyped(to)
        case (.system(let a), .int8) where a.isNumber: return retyped(to)
        case (.system(let a), .int4) where a.isNumber:
            return { (_, a, rows) throws(SQLError) in
                Loops.unary(a[0], rows, .int4) { (x: Int64) in Int32(truncatingIfNeeded: x) }
            }
        case (.int2, .system(let b)) where b.isNumber:
            return { (_, a, rows) throws(SQLError) in
                Loops.unary(a[0], rows, to) { (x: Int16) in Int64(UInt32(bitPattern: Int32(x))) }
            }
        case (.int4, .system(let b)) where b.isNumber:
            return { (_, a, rows) throws(SQLError) in
                Loops.unary(a[0], rows, to) { (x: Int32) in Int64(UInt32(bitPattern: x)) }
            }
        case (.int8, .system(let b)) where b.isNumber:
            return { (_, a, rows) throws(SQLError) in
                try Loops.unaryThrowing(a[0], rows, to) { (x: Int64) throws(SQLError) in
                    guard x >= 0, x <= Int64(UInt32.max) else {
                        throw SQLError(.numericValueOutOfRange, "OID out of range")
                    }
                    return x
                }
            }
        default: return nil
        }
    }

    private static func retyped(_ to: SQLType) -> Kernel {
        { (_, a, _) throws(SQLError) in a[0].retyped(to) }
    }
}
