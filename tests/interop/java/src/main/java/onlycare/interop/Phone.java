package onlycare.interop;

import io.socket.client.Ack;
import io.socket.client.EngineWatch;
import io.socket.client.IO;
import io.socket.client.Manager;
import io.socket.client.Socket;
import java.net.URI;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/** One socket of the Android app's library, under the name the test gave it. */
final class Phone {
    private final String name;
    private final Socket socket;
    private final EngineWatch engine;

    Phone(JSONObject command) throws JSONException {
        name = command.getString("socket");
        socket = IO.socket(URI.create(command.getString("url")), options(command));
        engine = new EngineWatch(socket.io(), () -> say("upgraded"));
        socket.io().on(Manager.EVENT_RECONNECT_FAILED, args -> say("gave up"));
        socket.on(Socket.EVENT_CONNECT, args -> say("connected", "via", engine.via()));
        socket.on(Socket.EVENT_DISCONNECT, args -> say("disconnected", "reason", args[0]));
        socket.on(Socket.EVENT_CONNECT_ERROR, args -> connectError(args[0]));
        socket.onAnyIncoming(args -> event(args));
        socket.connect();
    }

    private static IO.Options options(JSONObject command) throws JSONException {
        JSONArray names = command.getJSONArray("transports");
        String[] transports = new String[names.length()];
        for (int i = 0; i < transports.length; i++) {
            transports[i] = names.getString(i);
        }
        IO.Options options = IO.Options.builder()
                .setForceNew(true)
                .setTransports(transports)
                .setReconnectionAttempts(5) // as the app
                .build();
        if (command.has("auth")) {
            options.auth = texts(command.getJSONObject("auth"));
        }
        return options;
    }

    /** Returns the fields as this library takes them: text only. */
    private static Map<String, String> texts(JSONObject object) throws JSONException {
        Map<String, String> texts = new HashMap<>();
        for (Iterator<?> keys = object.keys(); keys.hasNext(); ) {
            String key = (String) keys.next();
            texts.put(key, object.getString(key));
        }
        return texts;
    }

    void emit(JSONObject command) throws JSONException {
        JSONArray listed = command.getJSONArray("args");
        Object[] args = new Object[listed.length()];
        for (int i = 0; i < args.length; i++) {
            args[i] = listed.get(i);
        }
        if (command.has("ack")) {
            Object id = command.get("ack");
            Ack answered = answer -> say("ack", "ack", id, "args", array(answer, 0));
            socket.emit(command.getString("event"), args, answered);
        } else {
            socket.emit(command.getString("event"), args);
        }
    }

    void close() {
        socket.disconnect();
    }

    private void event(Object[] args) {
        say("event", "event", args[0], "args", array(args, 1), "via", engine.via());
    }

    /** Tells a CONNECT_ERROR packet, which arrives as an object, from trouble on the way to the server. */
    private void connectError(Object error) {
        if (!(error instanceof JSONObject)) {
            say("unreachable", "message", String.valueOf(error));
            return;
        }
        JSONObject refusal = (JSONObject) error;
        if (refusal.has("data")) {
            say("refused", "message", refusal.opt("message"), "data", refusal.opt("data"));
        } else {
            say("refused", "message", refusal.opt("message"));
        }
    }

    private static JSONArray array(Object[] values, int from) {
        JSONArray array = new JSONArray();
        for (int i = from; i < values.length; i++) {
            array.put(values[i]);
        }
        return array;
    }

    private void say(String kind, Object... more) {
        try {
            JSONObject line = new JSONObject().put("socket", name).put("kind", kind);
            for (int i = 0; i < more.length; i += 2) {
                line.put((String) more[i], more[i + 1]);
            }
            Main.report(line);
        } catch (JSONException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}
