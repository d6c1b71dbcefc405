"use strict";
// Who is connected: users, their devices, and the sockets of each. What is told to a device goes to its newest socket.

class Connection {
  constructor(user, device, socket) {
    this.user = user;
    this.device = device;
    this.socket = socket;
    this.since = performance.now();
  }
}

class User {
  constructor(id, shown, name) {
    this.id = id;
    this.shown = shown;
    this.name = name;
    /** The newest last. */
    this.connections = [];
  }

  newest(device) {
    for (let i = this.connections.length - 1; i >= 0; i--) {
      if (this.connections[i].device === device) return this.connections[i];
    }
    return null;
  }

  /** The newest connection of each device. */
  devices() {
    if (this.connections.length < 2) return this.connections;
    const newest = new Map();
    for (const connection of this.connections) newest.set(connection.device, connection);
    return [...newest.values()];
  }
}

class Directory {
  constructor() {
    this.users = new Map();
  }

  get(id) {
    return this.users.get(id);
  }

  get size() {
    return this.users.size;
  }

  /** Registers a socket. */
  add(identity, device, socket) {
    let user = this.users.get(identity.user);
    if (user === undefined) {
      user = new User(identity.user, identity.id, identity.name);
      this.users.set(identity.user, user);
    } else {
      user.shown = identity.id;
      user.name = identity.name;
    }
    const connection = new Connection(user, device, socket);
    user.connections.push(connection);
    return connection;
  }

  /** Forgets a socket; says whether it was the user's last one. */
  remove(connection) {
    const { user } = connection;
    const index = user.connections.indexOf(connection);
    if (index >= 0) user.connections.splice(index, 1);
    if (user.connections.length > 0) return false;
    this.users.delete(user.id);
    return true;
  }
}

module.exports = { Directory };
