import static org.junit.jupiter.api.Assertions.*;

import org.junit.jupiter.api.Test;

class ClientSmokeTest {
    @Test
    void one() throws Exception {
        try (EchoServer server = EchoServer.start("--port", "0")) {
            Ran ran = Ran.bench(server.port(), "--repeat", "100", "--warmup", "10", "--json", "-");
            assertEquals(0, ran.status, ran.toString());
            assertEquals(100, ran.json().number("messages"));
        }
        try (Program server = Program.java("AsyncEchoServer", "--port", "0")) {
            assertTrue(server.port() > 0);
        }
    }
}
