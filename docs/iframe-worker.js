// The search of pages opened from a folder: browsers start no worker there, so its script runs in
// a hidden frame. Material's plugin `offline` would load such a stand-in from elsewhere.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.append(this.frame)
      const scope = this.frame.contentWindow
      scope.document.open()
      scope.document.write("<!doctype html><body></body>")
      scope.document.close()
      const load = (source) =>
        new Promise((resolve, reject) => {
          const script = scope.document.createElement("script")
          Object.assign(script, { src: source, onload: resolve, onerror: reject })
          scope.document.body.append(script)
        })
      scope.importScripts = async (...sources) => {
        for (const source of sources) await load(source)
      }
      scope.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
      this.ready = load(url)
    }

    async postMessage(data) {
      await this.ready
      const { MessageEvent } = this.frame.contentWindow
      this.frame.contentWindow.dispatchEvent(
        new MessageEvent("message", { data: structuredClone(data) }),
      )
    }

    terminate() {
      this.frame.remove()
    }
  }
}
