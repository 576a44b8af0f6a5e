/**
 * The timeline as an anywidget. `frontend/panel.py` joins `timeline.js`, where `mount` is, with what it imports, and appends
 * this file.
 *
 * Requests carry a mark, since all views of the widget, in all browsers, hear all replies.
 */

function overComm(model) {
  const view = Math.random().toString(36).slice(2);
  const waiting = new Map();
  const listeners = { changed: new Set(), progress: new Set(), lost: new Set() };
  let number = 0;

  const heard = (message) => {
    if (message?.kind === 'reply') {
      waiting.get(message.mark)?.resolve(message.content);
      waiting.delete(message.mark);
    } else {
      for (const each of listeners[message?.kind] ?? []) each(message.told, message.log);
    }
  };
  const lost = () => {
    for (const each of listeners.lost) each();
    for (const each of waiting.values()) {
      each.reject(new Error('the kernel of this panel has ended: run %kishu panel again'));
    }
    waiting.clear();
  };
  const send = (content) => {
    try {
      model.send(content);
    } catch {
      lost(); // the frontend knows that nobody is there
    }
  };
  const listen = (kind, callback) => {
    listeners[kind].add(callback);
    return () => listeners[kind].delete(callback);
  };
  model.on('msg:custom', heard);
  model.on('comm_live_update', lost);
  return {
    request: (content) =>
      new Promise((resolve, reject) => {
        const mark = `${view}:${++number}`;
        waiting.set(mark, { resolve, reject });
        send({ kind: 'request', mark, content });
      }),
    onChange: (callback) => listen('changed', callback),
    onProgress: (callback) => listen('progress', callback),
    onLost: (callback) => listen('lost', callback),
    seen: (isSeen, follows) => send({ kind: 'seen', view, told: isSeen, follows }),
    end() {
      model.off('msg:custom', heard);
      model.off('comm_live_update', lost);
    },
  };
}

export default {
  render({ model, el }) {
    const transport = overComm(model);
    const timeline = mount(el, transport);
    transport.onLost(() => timeline.setKernel('The kernel of this panel has ended. Run %kishu panel again to see the history.'));
    return () => {
      timeline.destroy();
      transport.end();
    };
  },
};
