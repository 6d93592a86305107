// SCRAM-SHA-256: the RFC's example, verifiers, channel binding, and messages that are refused.
import Diagnostics
import Testing

@testable import Access

@Suite struct ScramTests {
    @Test("the exchange of RFC 7677")
    func scram() throws {
        let salt = try #require(Base64.decode(Array("W22ZaJ0SNY7soEsUEjb6gQ==".utf8)))
        let verifier = ScramVerifier(password: "pencil", salt: salt)
        var exchange = ScramExchange(verifier: verifier, nonceText: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
        let first = try exchange.first(Array("n,,n=user,r=rOprNGfwEbeRWgbNEkqO".utf8)[...])
        #expect(
            String(decoding: first, as: UTF8.self)
                == "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
        let nonce = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
        let right = "c=biws,\(nonce),p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        let final = try #require(try exchange.final(Array(right.utf8)[...]))
        #expect(String(decoding: final, as: UTF8.self) == "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
        let wrong = "c=biws,\(nonce),p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQA"
        #expect(throws: SQLError.self) { try exchange.final(Array(wrong.utf8)[...]) }
        let other = "c=biws,\(nonce),p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVR="
        #expect(throws: SQLError.self) { try exchange.final(Array(other.utf8)[...]) }
        let guess = "c=biws,\(nonce),p=AHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        #expect(try exchange.final(Array(guess.utf8)[...]) == nil)
        let binding = "c=eSws,\(nonce),p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        #expect(throws: SQLError.self) { try exchange.final(Array(binding.utf8)[...]) }
    }

    @Test("verifiers are read and written as PostgreSQL does")
    func verifiers() throws {
        let verifier = ScramVerifier(password: "secret", salt: Array(0..<16))
        #expect(ScramVerifier(verifier.text) == verifier)
        #expect(verifier.accepts("secret") && !verifier.accepts("Secret"))
        #expect(ScramVerifier("SCRAM-SHA-256$0:AA==$x:y") == nil)
        #expect(ScramVerifier("md5abc") == nil)
    }

    @Test("an unknown user gets the same salt every time")
    func mock() throws {
        var a = ScramExchange(verifier: nil, user: "eve", mockSecret: [1], nonce: [1, 2, 3])
        var b = ScramExchange(verifier: nil, user: "eve", mockSecret: [1], nonce: [1, 2, 3])
        let hello = Array("y,,n=,r=abc".utf8)[...]
        #expect(try a.first(hello) == b.first(hello))
    }

    @Test(
        "client-first messages that are refused",
        arguments: [
            "p=tls-unique,,n=,r=x", "n,a=root,n=,r=x", "n,,m=1,n=,r=x", "n,,r=x", "n,,n=,r=", "q,,n=,r=x", "",
        ])
    func refused(_ text: String) {
        var exchange = ScramExchange(verifier: nil, user: "eve", mockSecret: [1], nonce: [1])
        #expect(throws: SQLError.self) { try exchange.first(Array(text.utf8)[...]) }
    }

    @Test("channel binding holds for this certificate only, and nobody takes the offer out")
    func binding() throws {
        let endpoint = Array(repeating: UInt8(7), count: 32)
        func exchange(_ endpoint: [UInt8]?) -> ScramExchange {
            ScramExchange(
                verifier: ScramVerifier(password: "pencil", salt: [1, 2, 3]), user: "ben", mockSecret: [1], nonce: [1],
                endpoint: endpoint)
        }
        func finish(_ sent: [UInt8]) throws -> Bool {
            var exchange = exchange(endpoint)
            exchange.isBound = true
            let header = "p=tls-server-end-point,,"
            let first = String(
                decoding: try exchange.first(Array("\(header)n=,r=abc".utf8)[...]), as: UTF8.self)
            let nonce = String(first.split(separator: ",")[0])
            let final = "c=\(Base64.encode(Array(header.utf8) + sent)),\(nonce)"
            let salted = Scram.salted(Array("pencil".utf8), salt: [1, 2, 3], iterations: 4096)
            let key = Scram.hmac(salted, Array("Client Key".utf8))
            let signature = Scram.hmac(Scram.hash(key), Array("n=,r=abc,\(first),\(final)".utf8))
            let proof = Base64.encode(zip(key, signature).map { $0 ^ $1 })
            return try exchange.final(Array("\(final),p=\(proof)".utf8)[...]) != nil
        }
        #expect(try finish(endpoint))
        #expect(throws: SQLError.self) { try finish(Array(repeating: 8, count: 32)) }
        var lured = exchange(endpoint)
        #expect(throws: SQLError.self) { try lured.first(Array("y,,n=,r=abc".utf8)[...]) }
        var unable = exchange(endpoint)
        #expect(try !unable.first(Array("n,,n=,r=abc".utf8)[...]).isEmpty)
        var unbound = exchange(endpoint)
        unbound.isBound = true
        #expect(throws: SQLError.self) { try unbound.first(Array("n,,n=,r=abc".utf8)[...]) }
    }
}
