/**
 * The environment of tests that run onnxruntime in this process.
 *
 * jest runs a test in a VM context, which has typed arrays of its own; the runtime's native part makes and accepts those
 * of the process ("data must be type of function Float32Array"). So the context gets the process's arrays. What the
 * language makes by itself, such as `[]` and `{}`, stays the context's; so do its errors, but those of the process (of
 * `node:fs`, for example) are `instanceof Error` here as they are outside of jest.
 */
import { types } from 'node:util';
import { TestEnvironment } from 'jest-environment-node';

const SHARED = [
  'ArrayBuffer',
  'SharedArrayBuffer',
  'DataView',
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'BigInt64Array',
  'BigUint64Array',
  'Float32Array',
  'Float64Array',
];

export default class OnnxruntimeEnvironment extends TestEnvironment {
  constructor({ globalConfig, projectConfig }, context) {
    // What a test leaves in its globals may hold the process's arrays, which jest must not take apart afterwards.
    const testEnvironmentOptions = { ...projectConfig.testEnvironmentOptions, globalsCleanup: 'off' };
    super({ globalConfig, projectConfig: { ...projectConfig, testEnvironmentOptions } }, context);
    for (const name of SHARED) this.global[name] = globalThis[name];

    const ContextError = this.global.Error;
    const byPrototype = Function.prototype[Symbol.hasInstance];
    Object.defineProperty(ContextError, Symbol.hasInstance, {
      // Subclasses inherit it.
      value(error) {
        return byPrototype.call(this, error) || (this === ContextError && types.isNativeError(error));
      },
    });
  }
}
