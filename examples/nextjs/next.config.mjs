// One folder that runs by itself; its root is this folder, whatever lies above.
export default { output: "standalone", outputFileTracingRoot: import.meta.dirname };
