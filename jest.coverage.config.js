import config from './jest.config.js';

const unit = config.projects.find(({ displayName }) => displayName === 'unit');

/** The unit suite on the built server, for `npm run test:coverage`. */
export default {
  ...unit,
  transform: {
    '/(src|protocol|migrations)/(?!.*\\.spec\\.ts$).*\\.ts$':
      '<rootDir>/dist/scripts/testing/built-source-transform.js',
    ...unit.transform,
  },
  testMatch: ['<rootDir>/{src,protocol}/**/*.spec.ts'],
  // What Jest keeps of a transformed file is named by the source, which does not change when the build does.
  cache: false,
};
