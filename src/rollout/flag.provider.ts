import { Injectable } from '@nestjs/common';
import {
  type EvaluationContext,
  FlagNotFoundError,
  OpenFeatureEventEmitter,
  type Provider,
  ProviderEvents,
  type ResolutionDetails,
  StandardResolutionReasons,
  TypeMismatchError,
} from '@openfeature/server-sdk';
import { Config } from '../config/config.js';
import { defaultStates, type FlagState, type FlagStates } from './flag-record.js';
import { isOnFor } from './flag-share.js';
import { FLAG_NAMES, type FlagName, isFlagName } from '../config/flags.js';

/**
 * The flags as this node applies them, for OpenFeature and for `FeatureFlagService`. Both use the same evaluation;
 * OpenFeature's interface alone would not do, because it is asynchronous and an upgrade asks several times.
 */
@Injectable()
export class FlagProvider implements Provider {
  readonly metadata = { name: 'admit-one' };
  readonly runsOn = 'server';
  readonly events = new OpenFeatureEventEmitter();
  private states: FlagStates;
  private isKnown = false;
  private isStale = false;

  constructor(config: Config) {
    this.states = defaultStates(config.flags);
  }

  stateOf(name: FlagName): FlagState {
    return this.states[name];
  }

  /**
   * Whether a flag is on for a user, at once and from memory. All flags are off until Redis was read once: an
   * administrator may have switched off what the settings switch on, and tickets work with every flag off.
   */
  isOn(name: FlagName, userId?: string): boolean {
    return this.isKnown && isOnFor(name, this.states[name], userId);
  }

  /** Replaces the flags by those read from Redis, and tells OpenFeature which of them changed. */
  replace(states: FlagStates): void {
    const flagsChanged = FLAG_NAMES.filter(
      (name) => differs(this.states[name], states[name]) || (!this.isKnown && states[name].enabled),
    );
    this.states = states;
    this.isKnown = true;
    if (this.isStale) this.events.emit(ProviderEvents.Ready, { message: 'Redis is reachable again' });
    this.isStale = false;
    if (flagsChanged.length > 0) this.events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged });
  }

  /** Keeps the flags as they are, and reports once that they are stale. */
  keep(reason: string): void {
    if (!this.isStale) this.events.emit(ProviderEvents.Stale, { message: reason });
    this.isStale = true;
  }

  async resolveBooleanEvaluation(
    flagKey: string,
    _defaultValue: boolean,
    { targetingKey }: EvaluationContext,
  ): Promise<ResolutionDetails<boolean>> {
    if (!isFlagName(flagKey)) throw new FlagNotFoundError(`expected the name of a flag, got ${flagKey}`);
    const state = this.states[flagKey];
    const value = this.isOn(flagKey, targetingKey);
    const percent = this.isKnown && state.enabled ? state.percent : 0;
    const flagMetadata = { percent, source: state.source };
    return { value, variant: value ? 'on' : 'off', reason: this.reasonFor(state), flagMetadata };
  }

  resolveStringEvaluation(): Promise<never> {
    throw new TypeMismatchError('every flag is a boolean');
  }

  resolveNumberEvaluation(): Promise<never> {
    throw new TypeMismatchError('every flag is a boolean');
  }

  resolveObjectEvaluation(): Promise<never> {
    throw new TypeMismatchError('every flag is a boolean');
  }

  private reasonFor({ source, enabled, percent }: FlagState): string {
    if (this.isStale) return StandardResolutionReasons.STALE;
    if (enabled && percent < 100) return StandardResolutionReasons.SPLIT;
    return source === 'default' ? StandardResolutionReasons.DEFAULT : StandardResolutionReasons.STATIC;
  }
}

function differs(one: FlagState, other: FlagState): boolean {
  return (
    one.enabled !== other.enabled ||
    one.percent !== other.percent ||
    one.source !== other.source ||
    one.updatedAt !== other.updatedAt
  );
}
