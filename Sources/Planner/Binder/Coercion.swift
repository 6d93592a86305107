// Bringing expressions to the types that operators, functions and clauses want.
import Columns
import Diagnostics
import Functions

extension QueryBinder {
    /// Converts an expression to a type, nil when no cast of this context exists.
    func tryCoerce(_ typed: Typed, to target: SQLType, _ context: CastContext) throws(SQLError) -> Expr? {
        if typed.type == target { return typed.expr }
        if target == .unknown { return typed.expr }
        if target.isNested, let expr = try coerceParts(typed, to: target, context) { return expr }
        switch typed.expr {
        case .parameter(let index, .unknown) where target.reference != nil:
            // Clients send the name: it is looked up like any text.
            let settled = try settle(index, .text, typed.position)
            return try tryCoerce(Typed(.parameter(index, settled), typed.position), to: target, .explicit)
        case .parameter(let index, .unknown):
            let settled = try settle(index, target, typed.position)
            return try tryCoerce(Typed(.parameter(index, settled), typed.position), to: target, .explicit)
        case .literal(let scalar) where scalar.type == .unknown:
            if scalar.isNull { return .literal(.null(target)) }
            guard let cast = untypedCast(to: target) else { return nil }
            return .literal(try fold(cast, scalar, typed.position))
        default: break
        }
        let cast =
            typed.type == .unknown
            ? untypedCast(to: target) : FunctionRegistry.cast(from: typed.type, to: target, context: context)
        guard let cast else { return nil }
        // A typed constant that cannot be converted fails when it is reached: `CASE WHEN true THEN 1 ELSE 'a'::text::int`.
        if let scalar = typed.literal, cast.volatility == .immutable,
            let value = try? ConstantFold.call(cast, [scalar], self.context.functions)
        {
            return .literal(value)
        }
        return .call(cast, [typed.expr])
    }

    /// Converts an expression to a type; 42846 when there is no such cast.
    func coerce(
        _ typed: Typed, to target: SQLType, _ context: CastContext = .implicit
    ) throws(SQLError) -> Expr {
        if let expr = try tryCoerce(typed, to: target, context) { return expr }
        throw SQLError(
            .cannotCoerce, "cannot cast type \(typed.type.baseName) to \(target.baseName)",
            position: typed.position)
    }

    /// How text without a type becomes a value: PostgreSQL's input functions.
    func untypedCast(to target: SQLType) -> BoundFunction? {
        FunctionRegistry.cast(from: .unknown, to: target, context: .explicit)
            ?? FunctionRegistry.cast(from: .text, to: target, context: .explicit)
    }

    /// Evaluates a cast of a constant now, so that its error has a position.
    func fold(_ cast: BoundFunction, _ scalar: Scalar, _ position: Int?) throws(SQLError) -> Scalar {
        do throws(SQLError) {
            return try ConstantFold.call(cast, [scalar], self.context.functions)
        } catch {
            throw error.at(position)
        }
    }

    /// Gives an open parameter the type that it meets. Later meetings must agree.
    func settle(_ index: Int, _ target: SQLType, _ position: Int?) throws(SQLError) -> SQLType {
        let plain = target.withoutModifier
        let known = parameters[index]
        if known == .unknown {
            parameters[index] = plain
        } else if known != plain {
            throw SQLError(
                SQLState("42P08"), "inconsistent types deduced for parameter $\(index + 1)",
                detail: "\(known.baseName) versus \(plain.baseName)", position: position)
        }
        return plain
    }

    /// A condition: must be boolean.
    func condition(_ typed: Typed, of clause: String) throws(SQLError) -> Expr {
        if typed.isOpen || typed.type == .boolean { return try coerce(typed, to: .boolean) }
        throw SQLError(
            .datatypeMismatch, "argument of \(clause) must be type boolean, not type \(typed.type.baseName)",
            position: typed.position)
    }

    /// Brings expressions to one type (PostgreSQL docs 10.5). `construct` is "CASE", "UNION", "VALUES", "IN".
    func unify(
        _ typed: [Typed], _ construct: String, isPrinted: Bool = true
    ) throws(SQLError) -> (exprs: [Expr], type: SQLType) {
        let type = try commonType(typed, construct, isPrinted: isPrinted && !isInsideSum)
        var exprs: [Expr] = []
        for item in typed {
            guard let expr = try tryCoerce(item, to: type, .implicit) else {
                throw SQLError(
                    .cannotCoerce,
                    "\(construct) could not convert type \(item.type.baseName) to \(type.baseName)",
                    position: item.position)
            }
            exprs.append(expr)
        }
        return (exprs, type)
    }

    /// The type that a list of expressions shares; text when all are open.
    func commonType(_ typed: [Typed], _ construct: String, isPrinted: Bool = true) throws(SQLError) -> SQLType {
        let known = typed.filter { !$0.isOpen }
        guard let first = known.first else { return .text }
        if known.allSatisfy({ $0.type == first.type }) { return first.type }
        if let type = FunctionRegistry.commonType(known.map(\.type), isPrinted: isPrinted) { return type }
        var type = first.type
        for item in known.dropFirst() {
            guard let wider = FunctionRegistry.commonType([type, item.type], isPrinted: isPrinted) else {
                // A date and a time are of one kind, without a conversion between them.
                if type.isMoment, item.type.isMoment {
                    throw SQLError(
                        .cannotCoerce,
                        "\(construct) could not convert type \(item.type.baseName) to \(type.baseName)",
                        position: item.position)
                }
                throw SQLError(
                    .datatypeMismatch,
                    "\(construct) types \(type.baseName) and \(item.type.baseName) cannot be matched",
                    position: item.position)
            }
            type = wider
        }
        return type
    }

    /// Binds a call of a scalar function by name over bound arguments.
    func call(_ name: String, _ given: [Typed], _ position: Int?) throws(SQLError) -> Expr {
        var arguments: [Typed] = []
        for argument in given { arguments.append(try arrayed(argument)) }
        let function = try FunctionRegistry.function(
            name, arguments.map(\.type), literals: arguments.map(\.literal), position: position)
        return .call(function, try coerceAll(arguments, to: function.argumentTypes))
    }

    /// Binds an operator over bound operands; `left` is nil for prefix operators.
    func operation(
        _ symbol: String, _ left: Typed?, _ right: Typed, _ position: Int?
    ) throws(SQLError) -> Expr {
        var (left, right) = (left, right)
        if symbol == "||", let given = left {
            // NULL beside an array is an array.
            if case .array = given.type, right.literal?.isNull == true, right.isOpen {
                right.expr = .literal(.null(given.type))
            } else if case .array = right.type, given.literal?.isNull == true, given.isOpen {
                left?.expr = .literal(.null(right.type))
            }
        }
        let operands = (left.map { [$0] } ?? []) + [right]
        let function = try FunctionRegistry.binaryOrUnary(
            symbol, left?.type, right.type, literals: operands.map(\.literal), position: position)
        return .call(function, try coerceAll(operands, to: function.argumentTypes))
    }

    func coerceAll(_ arguments: [Typed], to types: [SQLType]) throws(SQLError) -> [Expr] {
        var exprs: [Expr] = []
        for (index, argument) in arguments.enumerated() {
            let target = index < types.count ? types[index] : argument.type
            // Some overloads take what no implicit cast allows: integer || text.
            if let expr = try tryCoerce(argument, to: target, .implicit) {
                exprs.append(expr)
            } else {
                exprs.append(try coerce(argument, to: target, .explicit))
            }
        }
        return exprs
    }

    /// Gives open outputs the type text, as PostgreSQL does for what a query returns.
    func settleAsText(_ typed: Typed) throws(SQLError) -> Expr {
        if typed.isOpen { return try coerce(typed, to: .text) }
        let settled = typed.type.settled
        return typed.type == settled ? typed.expr : try coerce(typed, to: settled)
    }

    /// Casts what a literal of a struct, an array or a map is made of, part by part, so that literals inside become
    /// what the target wants; nil when the value is no such literal.
    private func coerceParts(
        _ typed: Typed, to target: SQLType, _ context: CastContext
    ) throws(SQLError) -> Expr? {
        guard case .call(let function, let arguments) = typed.expr else { return nil }
        func parts(_ sources: [Int], _ types: [SQLType]) throws(SQLError) -> [Typed]? {
            var made: [Typed] = []
            for (source, type) in zip(sources, types) {
                guard let expr = try tryCoerce(Typed(arguments[source], typed.position), to: type, context) else {
                    return nil
                }
                made.append(Typed(expr, typed.position))
            }
            return made
        }
        switch (function.name, target) {
        case ("row", .row(let fields)), ("struct_pack", .row(let fields)):
            guard let given = typed.type.rowFields, given.count == arguments.count,
                let sources = given.sources(for: fields), let made = try parts(sources, fields.map(\.type))
            else { return nil }
            return .call(FunctionRegistry.structPack(fields), made.map(\.expr))
        case ("array", .array(let element)):
            guard let made = try parts(Array(arguments.indices), arguments.map { _ in element }) else { return nil }
            return try call("array", made, typed.position)
        case ("map", .map(let key, let value)) where arguments.count == 2:
            guard let made = try parts([0, 1], [.array(key), .array(value)]) else { return nil }
            return try call("map", made, typed.position)
        default: return nil
        }
    }
}

extension SQLType {
    fileprivate var isMoment: Bool {
        switch self {
        case .date, .time, .timestamp, .timestamptz: true
        default: false
        }
    }

    /// The type with text for the elements of empty lists, which nothing has settled.
    var settled: SQLType {
        switch self {
        case .array(let element): .array(element == .unknown ? .text : element.settled)
        case .row(let fields): .row(fields.map { StructField($0.name, $0.type == .unknown ? .text : $0.type.settled) })
        case .map(let key, let value):
            .map(key: key == .unknown ? .text : key.settled, value: value == .unknown ? .text : value.settled)
        default: self
        }
    }

    /// The type without length, precision or scale.
    var withoutModifier: SQLType {
        switch self {
        case .decimal: .numeric
        case .varchar: .varchar(nil)
        case .char: .text
        case .bit: .varbit(nil)
        case .varbit: .varbit(nil)
        case .array(let element): .array(element.withoutModifier)
        case .row(let fields): .row(fields.map { StructField($0.name, $0.type.withoutModifier) })
        case .map(let key, let value): .map(key: key.withoutModifier, value: value.withoutModifier)
        default: self
        }
    }
}
