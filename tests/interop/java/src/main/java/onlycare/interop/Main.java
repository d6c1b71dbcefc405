package onlycare.interop;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.json.JSONException;
import org.json.JSONObject;

/** Phones without a screen on the Android app's library; the lines read and written are in ../README.md. */
public final class Main {
    private Main() {}

    public static void main(String[] args) throws IOException, JSONException {
        Map<String, Phone> phones = new HashMap<>();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JSONObject command = new JSONObject(line);
            String name = command.getString("socket");
            switch (command.getString("do")) {
                case "open":
                    phones.put(name, new Phone(command));
                    break;
                case "emit":
                    phones.get(name).emit(command);
                    break;
                case "close":
                    phones.remove(name).close();
                    break;
                default:
                    throw new IllegalArgumentException(line);
            }
        }
        System.exit(0); // the library's threads would keep the process alive
    }

    /** Writes one line of what the library reported, from whichever of its threads. */
    static synchronized void report(JSONObject line) {
        byte[] bytes = (line + "\n").getBytes(StandardCharsets.UTF_8);
        System.out.write(bytes, 0, bytes.length);
        System.out.flush();
    }
}
