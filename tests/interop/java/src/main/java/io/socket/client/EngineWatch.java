package io.socket.client;

import io.socket.engineio.client.Transport;

/**
 * Says when a connection has left polling for its WebSocket, and which transport it uses.
 *
 * <p>The library keeps its Engine.IO socket to its own package, hence the package of this class.
 */
public final class EngineWatch {
    private volatile String via = "polling";

    /** Watches every connection this manager makes, from before it is opened. */
    public EngineWatch(Manager manager, Runnable upgraded) {
        manager.on(Manager.EVENT_TRANSPORT, args -> watch(manager.engine, (Transport) args[0], upgraded));
    }

    /** Returns the name of the transport in use. */
    public String via() {
        return via;
    }

    private void watch(io.socket.engineio.client.Socket engine, Transport made, Runnable upgraded) {
        boolean first = !engine.hasListeners(io.socket.engineio.client.Socket.EVENT_UPGRADE);
        if (!first) {
            return; // a second transport of the same connection: the one it probes
        }
        via = made.name;
        engine.on(io.socket.engineio.client.Socket.EVENT_UPGRADE, args -> {
            via = ((Transport) args[0]).name;
            upgraded.run();
        });
    }
}
